/** Writing alert rules, and alerts of rules that are written elsewhere. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, rows, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

interface Rules {
  data: { name: string; expr: string; enabled: boolean; default: boolean }[];
}

const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));

beforeAll(async () => {
  const expr = "llmwatch:memory_percent > 0.25";
  const rule = { alert: "from_a_file", expr, labels: { severity: "low" } };
  writeFileSync(join(dir, "rules.yml"), JSON.stringify({ groups: [{ name: "own", rules: [rule] }] }));
  writeFileSync(join(dir, "prometheus.yml"), JSON.stringify({ rule_files: [join(dir, "rules.yml")] }));
  server = await serve(["--prometheus-config", join(dir, "prometheus.yml")]);
  browser = await launch();
  await rows(server, "/metrics/system", 5);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

it("a rule is written with its result in sight, fires, is changed and deleted", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/alerts/rules`);
  await page.getByRole("button", { name: "New rule" }).click();
  await page.getByRole("textbox", { name: /^Name/ }).fill("any_memory");
  await page.getByLabel("Expression").fill("llmwatch:memory_percent > ");
  await page.getByText("Could not load the chart.").waitFor();
  await page.getByLabel("Expression").fill("llmwatch:memory_percent > 0.5");
  await page.getByRole("slider", { name: "Preview over time" }).waitFor();
  await page.getByRole("textbox", { name: /^For/ }).fill("0s");
  await page.getByRole("button", { name: "Save" }).click();
  const item = page.locator(".rules li", { hasText: "any_memory" });
  await item.getByText("1 alert").waitFor({ timeout: 20_000 });
  await page.goto(`${server.url}/alerts?name=any_memory`);
  await page.getByRole("link", { name: "Any memory" }).click();
  await page.getByRole("slider", { name: "any_memory over time" }).waitFor();

  await page.goto(`${server.url}/alerts/rules?edit=any_memory`);
  await page.getByLabel("Expression").fill("llmwatch:memory_percent > 99.5");
  await page.getByRole("button", { name: "Save" }).click();
  await item.getByText("> 99.5").waitFor();
  const { data } = await server.rest<Rules>("/rules");
  expect(data.find((r) => r.name === "any_memory")?.expr).toBe("llmwatch:memory_percent > 99.5");
  page.once("dialog", (dialog) => void dialog.accept());
  await page.getByRole("button", { name: "Delete any_memory" }).click();
  await expect.poll(() => item.count()).toBe(0);
  await context.close();
});

it("a default rule is switched off and on", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/alerts/rules`);
  const enabled = async () =>
    (await server.rest<Rules>("/rules")).data.find((r) => r.name === "high_cpu_usage")?.enabled;
  await page.getByRole("button", { name: "Disable high_cpu_usage" }).click();
  await page.getByRole("button", { name: "Enable high_cpu_usage" }).waitFor();
  expect(await enabled()).toBe(false);
  await page.getByRole("button", { name: "Enable high_cpu_usage" }).click();
  await page.getByRole("button", { name: "Disable high_cpu_usage" }).waitFor();
  expect(await enabled()).toBe(true);
  await context.close();
});

it("an alert of a rule file has its chart, and charts name the alerts that fired", async () => {
  const { page, context, problems } = await open(browser);
  await page.goto(`${server.url}/alerts?name=from_a_file`);
  await page.getByRole("link", { name: "From a file" }).click({ timeout: 40_000 });
  await page.getByText("llmwatch:memory_percent > 0.25").waitFor();
  const own = page.getByRole("slider", { name: "from_a_file over time" });
  await own.focus();
  await page.keyboard.press("End");
  await expect.poll(() => own.getAttribute("aria-valuetext")).toContain("firing: From a file");

  await page.goto(`${server.url}/system?range=15m`);
  const chart = page.getByRole("slider", { name: "Disk over time" });
  await chart.focus();
  await page.keyboard.press("End");
  await expect.poll(() => chart.getAttribute("aria-valuetext"), { timeout: 10_000 }).toContain("firing: ");
  expect(await chart.getAttribute("aria-valuetext")).toContain("From a file");
  await page.locator(".firing", { hasText: "From a file" }).first().waitFor();
  expect(problems).toEqual([]);
  await context.close();
}, 90_000);

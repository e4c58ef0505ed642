/** Writing alert rules, and alerts of rules that are written elsewhere. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, output, rows, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

interface Rules {
  data: { name: string; expr: string; enabled: boolean; default: boolean }[];
}

const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));

beforeAll(async () => {
  const expr = "llmwatch:memory_percent > 0.25";
  const rule = { alert: "from_a_file", expr, labels: { severity: "low" } };
  const twice = "sum by (cpu) (node_cpu_seconds_total) * on() node_cpu_seconds_total > 0";
  const odd = [
    { alert: "ManyToMany", expr: twice, labels: { severity: "critical" } },
    { alert: "ManyToMany", expr: "vector(0) > 1", labels: { severity: "warning", long: "1d" } },
    { alert: "Ünïcode名前 \u202eevil", expr: "vector(0) > 1", labels: { severity: "P1" } },
    { alert: `long_${"x".repeat(300)}`, expr: "vector(0) > 1" },
    { record: "twice:over", expr: twice },
  ];
  const groups = [
    { name: "own", rules: [rule] },
    { name: "odd", interval: "1s", rules: odd },
  ];
  writeFileSync(join(dir, "rules.yml"), JSON.stringify({ groups }));
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

it("rules of rule files are shown, are read-only, and are named where they fail", async () => {
  const { page, context, problems } = await open(browser);
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ] as const) {
    await page.setViewportSize({ width, height });
    await page.goto(`${server.url}/alerts/rules`);
    const troubles = page.locator(".troubles");
    await troubles.getByText("1 alert rule cannot be evaluated: ManyToMany").waitFor();
    await troubles.getByText("The recording rule twice:over of group odd cannot be evaluated").waitFor();
    const failing = page.locator(".rules li", { hasText: "node_cpu_seconds_total" });
    await failing.getByText("Fails").waitFor();
    await failing.getByText("group odd of").waitFor();
    expect(await failing.getByRole("button").count()).toBe(0);
    expect(await page.getByRole("heading", { name: "ManyToMany", exact: true }).count()).toBe(2);
    await page.getByRole("heading", { name: "Ünïcode名前 evil", exact: true }).waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await page.screenshot({ path: join(output, `rules-${width}.png`) });
    await page.goto(`${server.url}/status`);
    await page.getByText("rules: 2 rules cannot be evaluated: ManyToMany (group odd)").waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await page.screenshot({ path: join(output, `status-rules-${width}.png`), fullPage: true });
  }
  expect(problems).toEqual([]);
  await context.close();
}, 60_000);

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

/** Writing alert rules. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, rows, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

interface Rules {
  data: { name: string; expr: string; enabled: boolean; default: boolean }[];
}

beforeAll(async () => {
  server = await serve();
  browser = await launch();
  await rows(server, "/metrics/system", 5);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
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

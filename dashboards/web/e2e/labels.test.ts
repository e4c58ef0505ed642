/** Alerts of one name are told apart, and all counts of alerts agree. */
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, output, rows, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

const crashing = (cluster: string, namespace: string, pod: string) => ({
  labels: { alertname: "KubePodCrashLooping", severity: "P1", team: "core", cluster, namespace, pod },
  annotations: { summary: "Pod is crash looping." },
});

const pods = ["api-7f9c", "index-0", "toy-1"];

beforeAll(async () => {
  server = await serve();
  browser = await launch();
  await rows(server, "/metrics/system", 2);
  const post = (alerts: unknown) =>
    fetch(`${server.url}/api/v2/alerts`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(alerts),
    });
  const answer = await post([
    crashing("prod-eu", "billing", "api-7f9c"),
    crashing("prod-us", "search", "index-0"),
    crashing("staging", "demo", "toy-1"),
    {
      labels: {
        alertname: "Ünïcode名前",
        severity: "error",
        team: "core",
        instance: "主机-1 \u202eevil",
        emoji: "🔥",
      },
      annotations: { summary: "日本語 \u202eevil\u202c zero\u200bwidth <script>alert(1)</script>" },
    },
    {
      labels: { alertname: "LongOnes", severity: "low", team: "core", instance: "a".repeat(1500) },
      annotations: { summary: "long ".repeat(300) },
    },
  ]);
  expect(answer.status).toBe(200);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

it("lists and details tell alerts of one name apart", async () => {
  const { page, context, problems } = await open(browser);
  for (const [width, height] of [
    [390, 844],
    [1440, 900],
  ] as const) {
    await page.setViewportSize({ width, height });
    for (const [view, path] of [
      ["overview", "/"],
      ["alerts", "/alerts"],
      ["history", "/alerts/history"],
    ] as const) {
      await page.goto(`${server.url}${path}`);
      for (const pod of pods)
        await page
          .locator(".labels", { hasText: `pod=${pod}` })
          .first()
          .waitFor();
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
      await page.screenshot({ path: join(output, `labels-${view}-${width}.png`), fullPage: true });
    }
    await page.goto(`${server.url}/alerts`);
    await page.locator(".alerts .labels").first().waitFor();
    const texts = await page.locator(".alerts .labels").allInnerTexts();
    expect(texts.join("\n")).not.toContain("team=core"); // All have it alike.
    const shown = await page.locator("main").textContent();
    expect(shown).not.toMatch(/[\u202e\u202c\u200b]/);
    expect(shown).toContain("日本語 evil zerowidth <script>alert(1)</script>");
    await page.getByRole("button", { name: /Acknowledge KubePodCrashLooping \(.*pod=index-0/ }).click();
    await page.locator("dialog .labels", { hasText: "pod=index-0" }).waitFor();
    await page.getByRole("button", { name: "Cancel" }).click();
    await page.locator(".alerts > li", { hasText: "pod=toy-1" }).getByRole("link").first().click();
    await page
      .locator(".facts .labels", { hasText: "namespace=demo, pod=toy-1, cluster=staging, team=core" })
      .waitFor();
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    await page.screenshot({ path: join(output, `labels-alert-${width}.png`) });
  }
  expect(problems).toEqual([]);
  await context.close();
}, 90_000);

it("the badge, the lists, the overview, health and the metric count the same alerts", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/alerts`);
  await expect.poll(() => page.locator(".alerts > li").count()).toBe(5);
  expect(await page.locator(".rail .badge").textContent()).toContain("5");
  const { data } = await server.rest<{ data: { alerts: Record<string, unknown> } }>("/dashboard/overview");
  expect(data.alerts).toEqual({
    total_active: 5,
    by_severity: { critical: 3, high: 1, low: 1 },
    critical_count: 3,
    high_count: 1,
  });
  const health = await server.rest<{ services: { alert_manager: unknown } }>("/health");
  expect(health.services.alert_manager).toEqual({ running: true, active_alerts: 5 });
  const metrics = await (await fetch(`${server.url}/metrics`)).text();
  const counted = [...metrics.matchAll(/^llmwatch_alerts\{.*severity="(\w+)".*\} (\d+)$/gm)];
  const bySeverity: Record<string, number> = {};
  for (const [, severity = "", n] of counted) bySeverity[severity] = (bySeverity[severity] ?? 0) + Number(n);
  expect(bySeverity).toEqual({ critical: 3, high: 1, low: 1 });
  await context.close();
});

/** What people do with the page. */
import { readFileSync } from "node:fs";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { feed, launch, open, raise, rows, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  server = await serve();
  browser = await launch();
  await feed(server, 5);
  await rows(server, "/metrics/system", 5);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

describe("an alert", () => {
  it("is acknowledged with a comment, and shows who has it", async () => {
    await raise(server, { name: "deep_queue" });
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/alerts`);
    await page.getByRole("button", { name: "Acknowledge deep_queue" }).click();
    await page.getByLabel("Who has it").fill("Ann Lee");
    await page.getByLabel("Comment").fill("I am on it");
    await page.getByRole("button", { name: "I have it" }).click();
    await page.locator(".holder", { hasText: "Ann Lee: I am on it" }).waitFor();
    expect(await page.getByRole("button", { name: "Acknowledge deep_queue" }).count()).toBe(0);
    interface Alerts {
      data: { name: string; status: string; acknowledgement: { by: string; comment: string } }[];
    }
    const { data } = await server.rest<Alerts>("/alerts?name=deep_queue");
    expect(data[0]).toMatchObject({
      status: "acknowledged",
      acknowledgement: { by: "Ann Lee", comment: "I am on it" },
    });

    await page.getByRole("link", { name: "Deep queue" }).click();
    await page.locator(".timeline", { hasText: "Acknowledged · by Ann Lee" }).waitFor();
    await context.close();
  });

  it("is found by severity, status and name, all in the address", async () => {
    await raise(
      server,
      { name: "one_thing", severity: "critical" },
      { name: "another_thing", severity: "low" },
    );
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/alerts`);
    await page.getByText("One thing").waitFor();
    await page.getByLabel("Severity").selectOption("low");
    await expect.poll(() => page.getByText("One thing").count()).toBe(0);
    expect(new URL(page.url()).search).toBe("?severity=low");
    await page.reload();
    await page.getByText("Another thing").waitFor();
    expect(await page.getByText("One thing").count()).toBe(0);
    await page.getByLabel("Name").fill("zzz");
    await page.getByText("fits the filters").waitFor();
    await context.close();
  });

  it("is exported with those on the screen, and no other", async () => {
    await raise(server, { name: "first_part" }, { name: "second_part" }, { name: "ended_part" });
    await raise(server, { name: "ended_part", ended: true });
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/alerts?name=Part`);
    await expect.poll(() => page.locator(".alerts li").count()).toBe(2);
    await page.getByText("Export", { exact: true }).click();
    const coming = page.waitForEvent("download");
    await page.getByRole("link", { name: "JSON" }).click();
    const rows = JSON.parse(readFileSync(await (await coming).path(), "utf8")) as { name: string }[];
    expect(rows.map((r) => r.name).sort()).toEqual(["first_part", "second_part"]);
    await context.close();
  });

  it("is in the history once it has ended", async () => {
    await raise(server, { name: "short_trouble" });
    await raise(server, { name: "short_trouble", ended: true });
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/alerts/history?name=short_trouble`);
    await page.locator(".alerts li", { hasText: "Resolved" }).waitFor();
    await context.close();
  });
});

describe("markup", () => {
  it("in every field is shown and never run", async () => {
    const evil = `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`;
    await raise(server, {
      name: "evil_one",
      description: evil,
      labels: { host: evil, route: `javascript:window.ran=1` },
      annotations: { note: evil, runbook_url: "javascript:window.ran=1" },
    });
    await server.post("/api/v1/monitoring/metrics/api", {
      endpoint: `/api/${evil}`,
      method: "GET",
      status_code: 200,
      response_time_ms: 5,
    });
    interface Alerts {
      data: { id: string }[];
    }
    const { data } = await server.rest<Alerts>("/alerts?name=evil_one");
    const id = data[0]?.id ?? "";
    await server.post(`/api/v1/monitoring/alerts/${id}/acknowledge`, {
      acknowledged_by: evil,
      comment: evil,
    });
    const { page, context, problems } = await open(browser);
    for (const path of [
      "/",
      "/alerts",
      `/alerts/${id}`,
      "/alerts/history",
      "/requests?range=15m",
      `/requests?endpoint=${encodeURIComponent(evil)}`,
    ]) {
      await page.goto(server.url + path);
      await page.waitForFunction(() => document.querySelectorAll(".skeleton").length === 0);
      expect(await page.evaluate(() => (window as { ran?: number }).ran)).toBeUndefined();
      expect(await page.locator("img, a[href^='javascript:']").count()).toBe(0);
    }
    await page.goto(`${server.url}/alerts/${id}`);
    await expect.poll(() => page.getByText(evil).count()).toBeGreaterThan(3);
    expect(problems).toEqual([]);
    await context.close();
  });
});

describe("a chart", () => {
  it("zooms by dragging; the range is in the address, and back undoes it", async () => {
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/system?range=15m`);
    const plot = page.locator(".plot .u-over").first();
    const box = await plot.boundingBox();
    if (!box) throw new Error("there is no chart");
    await page.mouse.move(box.x + box.width * 0.25, box.y + 40);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.75, box.y + 40, { steps: 4 });
    await page.mouse.up();
    await page.waitForURL(/from=.*to=/);
    const params = new URL(page.url()).searchParams;
    const span = (Date.parse(params.get("to") ?? "") - Date.parse(params.get("from") ?? "")) / 1000;
    expect(Math.abs(span - 450)).toBeLessThan(10);
    await page.goBack();
    await page.waitForURL(/\?range=15m$/);
    expect(await page.getByRole("combobox", { name: "Time range" }).inputValue()).toBe("15m");
    await context.close();
  });

  it("shows the values of all charts at once", async () => {
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/system?range=15m`);
    const plot = page.locator(".plot .u-over").first();
    const box = await plot.boundingBox();
    if (!box) throw new Error("there is no chart");
    const times = () => page.locator(".readout time").allInnerTexts();
    const before = await times();
    await page.mouse.move(box.x + box.width - 12, box.y + 40);
    await expect.poll(async () => new Set((await times()).slice(0, 3)).size).toBe(1);
    expect(await times()).not.toEqual(before);
    await context.close();
  });

  it("is read by keyboard, and as a table", async () => {
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/system?range=15m`);
    const chart = page.getByRole("slider", { name: "Memory over time" });
    await chart.focus();
    const before = await chart.getAttribute("aria-valuetext");
    await page.keyboard.press("Home");
    await expect.poll(() => chart.getAttribute("aria-valuetext")).not.toBe(before);
    expect(await chart.getAttribute("aria-valuetext")).toMatch(/Memory \d+\.\d %/);
    await page.getByRole("button", { name: "Memory as a table" }).press("Enter");
    await page.getByRole("table", { name: "Memory, the newest first" }).waitFor();
    await context.close();
  });

  it("is pinned to the overview and stays there", async () => {
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/system`);
    await page.getByRole("button", { name: "Pin Network to the overview" }).click();
    await page.getByRole("link", { name: "Overview" }).click();
    await page.getByRole("heading", { name: "Network" }).waitFor();
    await page.reload();
    await page.getByRole("heading", { name: "Network" }).waitFor();
    await context.close();
  });
});

it("the endpoints are sorted and filtered in the address", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/requests?range=1h`);
  const first = () => page.locator(".endpoints tbody th").first().textContent();
  await page.getByRole("button", { name: "Mean" }).click();
  await expect.poll(first).toContain("/api/v1/evaluate");
  await page.getByRole("button", { name: "Mean" }).click();
  await expect.poll(first).not.toContain("/api/v1/evaluate");
  expect(new URL(page.url()).searchParams.get("sort")).toBe("meanMs");
  await page.getByLabel("Filter endpoints").fill("generate");
  await expect.poll(() => page.locator(".endpoints tbody tr").count()).toBe(1);
  await context.close();
});

it("every control is reached by keyboard", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/system?range=15m`);
  await page.locator(".plot .u-over").first().waitFor();
  const controls = await page.locator("a[href], button:enabled, select, input, [tabindex='0']").count();
  const seen = new Set<string>();
  for (let i = 0; i < controls + 5; i++) {
    await page.keyboard.press("Tab");
    seen.add(await page.evaluate(() => document.activeElement?.outerHTML.slice(0, 200) ?? ""));
  }
  expect(seen.size).toBeGreaterThanOrEqual(controls - 1);
  await context.close();
});

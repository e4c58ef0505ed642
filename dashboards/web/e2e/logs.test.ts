/** The view of logs, against what REST finds. */
import { readFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

interface Found {
  data: Record<string, unknown>[];
  count: number;
}

const evil = `<img src=x onerror="window.ran=1"><script>window.ran=1</script>`;

function line(i: number): Record<string, unknown> {
  const level = i % 50 === 0 ? "ERROR" : i % 10 === 0 ? "WARNING" : "INFO";
  return {
    timestamp: new Date(Date.now() - i * 200).toISOString(),
    level,
    logger: i % 3 === 0 ? "api.requests" : "jobs.finetuning",
    message: level === "ERROR" ? `CUDA out of memory on device ${i}` : `Step ${i} done`,
    module: "trainer",
    function: "step",
    line: 85,
    request_id: `req-${Math.floor(i / 5)}`,
    duration_ms: i / 2,
  };
}

const push = (lines: Record<string, unknown>[]) =>
  fetch(`${server.url}/api/v1/monitoring/logs`, {
    method: "POST",
    headers: { "Content-Type": "application/x-ndjson" },
    body: lines.map((l) => JSON.stringify(l)).join("\n"),
  });

beforeAll(async () => {
  server = await serve();
  browser = await launch();
  const answer = await push(Array.from({ length: 5000 }, (_, i) => line(i)));
  expect(answer.status).toBe(200);
  await push([{ ...line(1), level: "CRITICAL", logger: evil, message: evil, note: evil, request_id: evil }]);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const entries = (page: Page) => page.locator("button.entry");

it("entries are REST's, and filters are in the address", async () => {
  const { page, context, problems } = await open(browser);
  await page.goto(`${server.url}/logs?range=1h&text=CUDA`);
  await entries(page).first().waitFor();
  const { data } = await server.rest<Found>("/logs/search?start=-1h&text=CUDA&limit=20");
  const messages = await page.locator(".entry .message").allTextContents();
  expect(messages.slice(0, 10)).toEqual(data.slice(0, 10).map((e) => e["message"]));
  expect(data.length).toBe(20);

  await page.goto(`${server.url}/logs?range=1h`);
  await page.getByRole("button", { name: /^WARNING/ }).click();
  await page.waitForURL(/level=WARNING/);
  await expect
    .poll(async () => new Set(await page.locator("button.entry b").allTextContents()))
    .toEqual(new Set(["WARNING"]));
  await page.getByLabel("Logger").fill("api.*");
  await page.waitForURL(/logger=api/);
  await expect
    .poll(async () => new Set(await page.locator("button.entry .logger").allTextContents()))
    .toEqual(new Set(["api.requests"]));
  await page.getByLabel("Message matches").fill("(");
  await page.getByText("Could not load log entries.").waitFor();
  expect(await page.getByRole("alert").count()).toBe(1);
  expect(problems.filter((p) => !p.includes("400"))).toEqual([]);
  await context.close();
});

it("an entry opens, leads to its context and its request, and each value is a filter", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/logs?range=1h&text=CUDA`);
  await entries(page).nth(2).click();
  const details = page.locator(".details");
  const [id = ""] = await details.locator("button.value", { hasText: /^req-/ }).allTextContents();
  await details.getByRole("button", { name: "Context" }).click();
  await expect.poll(() => details.locator(".context li").count()).toBe(17);
  expect(await details.locator(".context .here .message").textContent()).toMatch(/^CUDA out of memory/);
  await details.getByRole("link", { name: "This request" }).click();
  await page.waitForURL(/request_id=req-/);
  await expect.poll(() => entries(page).count()).toBe(5);
  const { count } = await server.rest<Found>(`/logs/search?start=-1h&request_id=${id}`);
  expect(count).toBe(5);
  await page.getByRole("button", { name: /request_id = .*remove filter/ }).click();
  await expect.poll(() => entries(page).count()).toBeGreaterThan(5);
  await context.close();
});

it("a request is followed through logs and metrics", async () => {
  const { page, context, problems } = await open(browser);
  const request = { method: "GET", status_code: 503, response_time_ms: 419 };
  const pushed = await server.post("/api/v1/monitoring/metrics/api", [
    { ...request, endpoint: "/v1/jobs/{id}" },
    { ...request, endpoint: "/v1/models" },
  ]);
  expect(pushed.status).toBe(200);
  const said = { level: "WARNING", logger: "api.followed", request_id: "r-77" };
  await push([
    { ...said, message: "Request completed", method: "GET", path: "/v1/jobs/ft-7", status_code: 503 },
    { ...said, message: "Query failed", error: "no connection\nwithin 5 s" },
  ]);
  await page.goto(`${server.url}/logs?range=1h&request_id=r-77`);
  // The rows tell one entry from another before they are opened.
  await page.getByText("path=/v1/jobs/ft-7").waitFor();
  await page.getByText("error=no connection within 5 s").waitFor();
  await expect.poll(() => entries(page).count()).toBe(2);
  await entries(page).filter({ hasText: "Request completed" }).click();
  await page.getByRole("link", { name: "API at this time" }).click();
  await page.waitForURL(/requests\?from=.*endpoint=%2Fv1%2Fjobs%2Fft-7/);
  const found = page.locator(".endpoints tbody tr");
  // It is there with the next sample, or the one after, whichever counts it first.
  await expect.poll(() => found.locator("th").allTextContents()).toEqual(["GET /v1/jobs/{id}"]);
  await found.getByText("503 × 1").waitFor();
  await page.goBack();
  await page.waitForURL(/request_id=r-77/);
  await entries(page).filter({ hasText: "Request completed" }).click();
  await page.getByRole("link", { name: "System at this time" }).click();
  await page.getByRole("slider", { name: "CPU over time" }).waitFor();
  expect(problems).toEqual([]);
  await context.close();
});

it("dragging across the histogram narrows the range", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/logs?range=1h`);
  const bars = page.locator(".histogram svg[role='img']");
  const box = await bars.boundingBox();
  if (!box) throw new Error("there is no histogram");
  await page.mouse.move(box.x + box.width * 0.5, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width - 2, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/from=.*to=/);
  const params = new URL(page.url()).searchParams;
  const span = (Date.parse(params.get("to") ?? "") - Date.parse(params.get("from") ?? "")) / 1000;
  expect(span).toBeGreaterThan(1700);
  expect(span).toBeLessThan(1900);
  await page.goBack();
  await page.waitForURL(/range=1h$/);
  await context.close();
});

it("the histogram counts what fits the filters, as REST does, and dragging keeps them", async () => {
  interface Counts {
    data: { total_entries: number; by_level: Record<string, number> };
  }
  const { page, context, problems } = await open(browser);
  const chip = (level: string) => page.locator(`.level.${level} b`).textContent();
  const sums = async () => {
    const rows = await page.locator(".logs-overall tbody tr").allInnerTexts();
    const cells = rows.map((row) => row.split("\t").slice(1).map(Number));
    return { rows: rows.length, all: cells.flat().reduce((n, c) => n + c, 0) };
  };
  for (const filters of ["text=CUDA", "logger=api.requests", "pattern=^Step%20.0%20", "request_id=req-7"]) {
    await page.goto(`${server.url}/logs?range=1h&${filters}`);
    const { data } = await server.rest<Counts>(`/logs/statistics?hours=1&${filters}`);
    expect(data.total_entries).toBeGreaterThan(0);
    await page.getByRole("button", { name: "Entries over time as a table" }).click();
    await expect.poll(async () => (await sums()).all).toBe(data.total_entries);
    for (const level of ["ERROR", "WARNING", "INFO"])
      expect(await chip(level)).toBe(data.by_level[level]?.toLocaleString("en-US"));
  }
  await page.goto(`${server.url}/logs?range=1h&logger=api.requests&level=ERROR`);
  const { data } = await server.rest<Counts>("/logs/statistics?hours=1&logger=api.requests&level=ERROR");
  await page.getByText(`${data.total_entries} entries fit`).waitFor();
  // What a level would add stays in sight.
  expect(Number(await chip("WARNING"))).toBeGreaterThan(0);

  const box = await page.locator(".histogram svg[role='img']").boundingBox();
  if (!box) throw new Error("there is no histogram");
  await page.mouse.move(box.x + box.width * 0.9, box.y + 20);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.96, box.y + 20, { steps: 4 });
  await page.mouse.up();
  await page.waitForURL(/logger=api.requests&level=ERROR.*from=.*to=/);
  const params = new URL(page.url()).searchParams;
  const narrowed = await server.rest<Counts>(
    `/logs/statistics?start=${params.get("from")}&end=${params.get("to")}&logger=api.requests&level=ERROR`,
  );
  const { total_entries: fewer } = narrowed.data;
  expect(fewer).toBeGreaterThan(0);
  expect(fewer).toBeLessThan(data.total_entries);
  await page.getByText(`${fewer} entries fit`).waitFor();
  await page.getByText(`All ${fewer} entries.`).waitFor();
  await page.getByRole("button", { name: "Entries over time as a table" }).click();
  const wide = await sums();
  expect(wide.all).toBe(fewer);
  await page.setViewportSize({ width: 390, height: 844 });
  await expect.poll(async () => (await sums()).rows).toBeLessThan(wide.rows / 2);
  expect((await sums()).all).toBe(fewer);
  expect(problems).toEqual([]);
  await context.close();
});

it("following shows new entries on top within 3 s", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/logs?range=1h&text=brandnew`);
  await page.getByText("No entry fits.").waitFor();
  await page.getByRole("button", { name: "Follow" }).click();
  await page.getByText("Following: the newest entries come on top.").waitFor();
  const begin = Date.now();
  await push([{ level: "INFO", logger: "a", message: "brandnew one" }]);
  await page.getByText("brandnew one").waitFor();
  expect(Date.now() - begin).toBeLessThan(3000);
  await push([{ level: "INFO", logger: "a", message: "brandnew two" }]);
  await expect
    .poll(() => page.locator("button.entry .message").allTextContents())
    .toEqual(["brandnew two", "brandnew one"]);
  await context.close();
});

it("the export has the rows of the screen", async () => {
  const { page, context } = await open(browser);
  for (const [path, least] of [
    ["/logs?range=1h&level=ERROR&logger=api.requests,jobs.finetuning", 100],
    ["/system?range=15m", 3],
  ] as const) {
    await page.goto(server.url + path);
    await page.getByText("Export").click();
    const coming = page.waitForEvent("download");
    await page.getByRole("link", { name: "CSV" }).click();
    const download = await coming;
    expect(download.suggestedFilename()).toMatch(/^llmwatch-(logs|system)-.*\.csv$/);
    const file = await download.path();
    const text = readFileSync(file, "utf8").trimEnd().split("\n");
    expect(text.length - 1).toBeGreaterThanOrEqual(least);
    if (path.startsWith("/logs")) {
      expect(text.length - 1).toBe(100);
      expect(text.filter((l) => l.includes("CUDA")).length).toBe(100);
    }
  }
  await context.close();
});

it("markup in entries is shown and never run", async () => {
  const { page, context, problems } = await open(browser);
  await page.goto(`${server.url}/logs?range=1h&level=CRITICAL`);
  await entries(page).first().click();
  await page.getByRole("button", { name: "Context" }).click();
  await page.locator(".context .here").waitFor();
  expect(await page.getByText(evil).count()).toBeGreaterThan(4);
  await page.getByRole("link", { name: "This request" }).click();
  await expect.poll(() => entries(page).count()).toBe(1);
  await push([{ level: "CRITICAL", logger: evil, message: evil }]);
  await page.goto(server.url);
  await page.locator(".lines").getByText(evil).first().waitFor();
  expect(await page.evaluate(() => (window as { ran?: number }).ran)).toBeUndefined();
  expect(await page.locator("img").count()).toBe(0);
  expect(problems).toEqual([]);
  await context.close();
});

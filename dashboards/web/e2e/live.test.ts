/** The page while things change, and while the server is away. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { feed, launch, open, raise, rows, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;
const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));

beforeAll(async () => {
  server = await serve([], { dir });
  browser = await launch();
  await feed(server, 5);
  await rows(server, "/metrics/system", 5);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

it("an alert that fires appears within 3 s, without reload, and so does who takes it", async () => {
  const { page, context, problems } = await open(browser);
  await page.goto(server.url);
  await page.getByText("Live").waitFor();
  await page.getByText("Nothing is firing.").waitFor();
  const begin = Date.now();
  await raise(server, { name: "sudden_trouble", severity: "critical" });
  await page.locator(".alerts").getByText("Sudden trouble").waitFor();
  const took = Date.now() - begin;
  console.log(`an alert was on the page after ${took} ms`);
  expect(took).toBeLessThan(3000);
  await expect.poll(() => page.title()).toBe("(1) Overview · llmwatch");

  interface Alerts {
    data: { id: string }[];
  }
  const { data } = await server.rest<Alerts>("/alerts?name=sudden_trouble");
  await server.post(`/api/v1/monitoring/alerts/${data[0]?.id}/acknowledge`, {
    acknowledged_by: "Bo",
    comment: "mine",
  });
  await page.locator(".holder", { hasText: "Bo: mine" }).waitFor({ timeout: 3000 });
  await expect.poll(() => page.title()).toBe("Overview · llmwatch");
  await raise(server, { name: "sudden_trouble", severity: "critical", ended: true });
  await page.getByText("Nothing is firing.").waitFor({ timeout: 3000 });
  expect(problems).toEqual([]);
  await context.close();
});

it("new samples are shown as they come", async () => {
  const { page, context } = await open(browser);
  await page.goto(server.url);
  const requests = page.locator(".figures dd").first();
  await requests.waitFor();
  const before = await requests.textContent();
  await feed(server, 2);
  await expect.poll(() => requests.textContent(), { timeout: 8000 }).not.toBe(before);
  await context.close();
});

it("without the stream the page polls every 30 s and says so", async () => {
  const { page, context } = await open(browser);
  await page.clock.install();
  await page.route("**/events", (route) => route.abort());
  await page.goto(server.url);
  await page.getByText("Polling every 30 s").waitFor();
  let asked = 0;
  page.on("request", (request) => {
    if (request.url().endsWith("/dashboard/overview")) asked++;
  });
  await page.clock.runFor(29_000);
  const early = asked;
  await page.clock.runFor(32_000);
  await expect.poll(() => asked).toBeGreaterThanOrEqual(early + 1);
  expect(early).toBeLessThanOrEqual(1);
  await context.close();
});

it("a server that goes away is seen, what was known stays, and all comes back by itself", async () => {
  const { page, context } = await open(browser);
  await page.goto(server.url);
  await page.getByText("Live").waitFor();
  await page.locator(".health").first().waitFor();
  const listen = new URL(server.url).host;
  await server.stop();
  await page.reload().catch(() => {});
  server = await serve([], { dir, listen });
  await page.goto(server.url);
  await page.getByText("Live").waitFor();
  await page.locator(".health").first().waitFor();
  await server.stop();
  // The stream is cut at once; the next question finds nobody.
  await page.getByText("Polling every 30 s").waitFor({ timeout: 10_000 });
  await page.getByText("llmwatch cannot be reached.").waitFor({ timeout: 45_000 });
  await page.getByText(/Offline, last updated \d\d:\d\d:\d\d/).waitFor();
  expect(await page.locator(".health").count()).toBe(4);
  server = await serve([], { dir, listen });
  await page.getByText("Live").waitFor({ timeout: 45_000 });
  await expect.poll(() => page.getByText("llmwatch cannot be reached.").count()).toBe(0);
  await context.close();
}, 150_000);

it("2,000 updates leave the heap as it was", async () => {
  const { page, context } = await open(browser);
  await page.addInitScript(() => {
    // The page's own stream is replaced by one that says when it is told to; answers stay what they were, so that only
    // the page can grow; and the pause in which events are gathered is short.
    class Told extends EventTarget {
      onerror = null;
      constructor() {
        super();
        (window as { told?: Told }).told = this;
        setTimeout(() => this.dispatchEvent(new MessageEvent("hello")));
      }
      close() {}
    }
    const known = new Map<string, { text: string; status: number }>();
    const ask = window.fetch;
    const later = window.setTimeout;
    Object.assign(window, {
      EventSource: Told,
      answered: 0,
      fetch: async (url: string, options: RequestInit) => {
        (window as unknown as { answered: number }).answered++;
        let answer = known.get(url);
        if (!answer) {
          const first = await ask(url, options);
          answer = { text: await first.text(), status: first.status };
          known.set(url, answer);
        }
        return new Response(answer.text, { status: answer.status });
      },
      setTimeout: (run: () => void, delay: number) => later(run, delay === 250 ? 1 : delay),
    });
  });
  await page.goto(server.url);
  await page.locator(".health").first().waitFor();
  const cdp = await context.newCDPSession(page);
  const updates = (n: number) =>
    page.evaluate(async (count) => {
      const { told } = window as unknown as { told: EventTarget };
      for (let i = 0; i < count; i++) {
        told.dispatchEvent(new MessageEvent("sample", { data: "{}" }));
        if (i % 5 === 0) told.dispatchEvent(new MessageEvent("alert", { data: "{}" }));
        await new Promise((done) => setTimeout(done, 8));
      }
      return (window as unknown as { answered: number }).answered;
    }, n);
  const heap = async () => {
    await page.waitForTimeout(500);
    for (let i = 0; i < 3; i++) await cdp.send("HeapProfiler.collectGarbage");
    return (await cdp.send("Runtime.getHeapUsage")).usedSize;
  };
  // The first ones also compile what is used often.
  const answered = await updates(1000);
  const before = await heap();
  expect((await updates(2000)) - answered).toBeGreaterThan(4000);
  const after = await heap();
  console.log(
    `heap after 1,000 updates ${(before / 1e6).toFixed(2)} MB, after 2,000 more ${(after / 1e6).toFixed(2)} MB`,
  );
  expect(after).toBeLessThan(1.1 * before);
  await context.close();
}, 120_000);

/** The page of `llmwatch bridge`, beside a Prometheus that scrapes what is watched and evaluates the rules. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { feed, launch, open, output, raise, rows, type Server, serve } from "./harness";

let watched: Server;
let prometheus: ChildProcess;
let bridge: Server;
let browser: Browser;
const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));

const freePort = () =>
  new Promise<number>((done, fail) => {
    const probe = createServer();
    probe.once("error", fail);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      probe.close(() => done(typeof address === "object" && address ? address.port : 0));
    });
  });

async function startPrometheus(target: string): Promise<string> {
  const config = join(dir, "prometheus.yml");
  writeFileSync(
    config,
    JSON.stringify({
      global: { scrape_interval: "1s", evaluation_interval: "1s" },
      rule_files: [resolve("../../rules/*.yml")],
      scrape_configs: [{ job_name: "llmwatch", static_configs: [{ targets: [new URL(target).host] }] }],
    }),
  );
  const address = `127.0.0.1:${await freePort()}`;
  prometheus = spawn(process.env["PROMETHEUS"] ?? "prometheus", [
    ...["--config.file", config, "--storage.tsdb.path", join(dir, "prometheus")],
    ...["--web.listen-address", address, "--log.level", "warn"],
  ]);
  let said = "";
  prometheus.stderr?.on("data", (chunk: Buffer) => {
    said += chunk.toString();
  });
  let failed: Error | undefined;
  prometheus.once("error", (err) => {
    failed = err;
  });
  for (let tries = 0; tries < 300; tries++) {
    if (failed) throw failed;
    if (prometheus.exitCode !== null) throw new Error(`prometheus ended: ${said}`);
    const answer = await fetch(`http://${address}/-/ready`).catch(() => undefined);
    if (answer?.ok) return `http://${address}`;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`prometheus was not ready within 30 s: ${said}`);
}

beforeAll(async () => {
  watched = await serve();
  const address = await startPrometheus(watched.url);
  bridge = await serve(["--prometheus-url", address], { command: "bridge" });
  browser = await launch();
  // Counters must have been seen before they grow.
  await feed(watched, 1);
  await rows(bridge, "/metrics/system", 3);
  await feed(watched, 10);
  await rows(bridge, "/metrics/api", 4);
  await raise(bridge, { name: "high_cpu_usage", description: "Busy beside Prometheus." });
  await bridge.post("/api/v1/monitoring/logs", { level: "ERROR", logger: "beside", message: "Kept here" });
});

afterAll(async () => {
  await browser?.close();
  await bridge?.stop();
  await watched?.stop();
  if (prometheus?.exitCode === null) {
    const ended = new Promise((done) => prometheus.once("exit", done));
    prometheus.kill("SIGTERM");
    await ended;
  }
  rmSync(dir, { recursive: true, force: true });
});

const settled = (page: Page) =>
  page.waitForFunction(
    () => document.querySelector("main") && document.querySelectorAll(".skeleton").length === 0,
  );

it("every view is whole, and asks for nothing that is not there", async () => {
  const { page, context, problems } = await open(browser);
  const prom: string[] = [];
  page.on("request", (request) => {
    if (request.url().includes("/prometheus/")) prom.push(request.url());
  });
  const wants = {
    "/": ["High cpu usage", "Kept here"],
    "/system?range=15m": ["CPU", "Connections"],
    "/system?range=24h": ["CPU", "Connections"],
    "/requests?range=15m": ["Response time", "/api/v1/generate"],
    "/application?range=15m": ["Queue", "llama-3-8b"],
    "/alerts": ["High cpu usage"],
    "/alerts/rules": ["critical_memory_usage"],
    "/alerts/rules?edit=high_cpu_usage": ["There is no preview"],
    "/logs?range=1h": ["Kept here"],
    "/status": ["llmwatch", "log_store"],
  };
  for (const [path, texts] of Object.entries(wants)) {
    await page.goto(bridge.url + path);
    for (const text of texts) await page.getByText(text).first().waitFor();
    await settled(page);
    expect(await page.getByText("Could not load").count(), path).toBe(0);
    await page.screenshot({ path: `${output}/bridge${path.replaceAll(/\W+/g, "-")}.png` });
  }
  await page.goto(`${bridge.url}/alerts`);
  await page.getByRole("link", { name: "High cpu usage" }).click();
  await page.getByText("llmwatch:cpu_percent > 80").waitFor();
  await page.getByText("evaluated by an external Prometheus").waitFor();
  expect(prom).toEqual([]);
  expect(problems).toEqual([]);
  await context.close();
});

it("the charts draw REST's samples", async () => {
  interface Samples {
    data: { timestamp: string; memory_percent: number; endpoint: string; request_count: number }[];
  }
  const { page, context } = await open(browser);
  await page.goto(`${bridge.url}/system?range=15m`);
  await page.locator(".plot .u-over").nth(4).waitFor();
  await page.getByRole("button", { name: "Memory as a table" }).click();
  const [first = "", value = ""] = await page
    .locator(".data-table tbody tr")
    .nth(1)
    .locator("td")
    .allInnerTexts();
  const system = await bridge.rest<Samples>("/metrics/system?minutes=15");
  const clock = (timestamp: string) => new Date(timestamp).toTimeString().slice(0, 8);
  const found = system.data.find((s) => first.endsWith(clock(s.timestamp)));
  expect(`${found?.memory_percent.toFixed(1)} %`).toBe(value);

  await page.goto(`${bridge.url}/requests?range=15m`);
  // Percentiles need PromQL; what REST has is drawn.
  await page.locator(".plot .u-over").nth(2).waitFor();
  expect(await page.locator(".readout").nth(2).textContent()).toMatch(/^Mean/);
  expect(await page.locator(".readout").nth(2).textContent()).not.toContain("p95");
  const api = await bridge.rest<Samples>("/metrics/api?minutes=15");
  const wanted = api.data
    .filter((s) => s.endpoint === "/api/v1/generate")
    .reduce((n, s) => n + s.request_count, 0);
  const cells = page.locator(".endpoints tbody tr", { hasText: "/api/v1/generate" }).locator("td");
  expect((await cells.allInnerTexts())[0]).toBe(String(wanted));

  // A chart that needs PromQL is not offered.
  await page.goto(`${bridge.url}/application?range=15m`);
  await page.getByRole("heading", { name: "Queue" }).waitFor();
  await settled(page);
  expect(await page.getByRole("heading", { name: "Time to first token" }).count()).toBe(0);
  await context.close();
});

/** Starts the real binary and a real browser for tests. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";

export const binary = process.env["LLMWATCH_BIN"] ?? resolve("../../bin/llmwatch");
export const output = resolve("../../test/output/web");
mkdirSync(output, { recursive: true });

export interface Server {
  url: string;
  /** The documented REST API, decoded. */
  rest: <T>(path: string) => Promise<T>;
  post: (path: string, body: unknown) => Promise<Response>;
  stop: () => Promise<void>;
}

/** Starts llmwatch on a free port, or the given one, with a data directory of its own; as a bridge where asked to. */
export async function serve(
  args: string[] = [],
  { command = "serve", listen = "127.0.0.1:0", dir = "", env = {} as Record<string, string> } = {},
): Promise<Server> {
  const data = dir || mkdtempSync(join(tmpdir(), "llmwatch-web-"));
  const server = spawn(
    binary,
    [
      command,
      ...["--listen", listen, "--data-dir", data, "--log-format", "json", "--log-level", "info"],
      ...["--collection-interval", "1s", "--check-interval", "1s"],
      ...args,
    ],
    { env: { ...process.env, ...env } },
  );
  const address = await ready(server);
  const url = `http://${address}`;
  return {
    url,
    rest: async (path) => {
      const answer = await fetch(`${url}/api/v1/monitoring${path}`);
      if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`);
      return answer.json() as Promise<never>;
    },
    post: (path, body) =>
      fetch(url + path, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(body),
      }),
    stop: async () => {
      const ended = new Promise((done) => server.once("exit", done));
      server.kill("SIGTERM");
      await ended;
      if (dir === "") rmSync(data, { recursive: true, force: true });
    },
  };
}

function ready(process: ChildProcess): Promise<string> {
  return new Promise((done, fail) => {
    let log = "";
    const read = (chunk: Buffer) => {
      log += chunk.toString();
      const found = /"message":"ready".*"address":"([^"]+)"/.exec(log);
      if (found?.[1]) done(found[1]);
    };
    process.stdout?.on("data", read);
    process.stderr?.on("data", read);
    process.once("error", fail);
    process.once("exit", (code) => fail(new Error(`llmwatch ended with ${code}:\n${log}`)));
  });
}

/** Requests, jobs, cache lookups and model calls as a platform would push them. */
export async function feed(server: Server, rounds = 1): Promise<void> {
  const request = (method: string, endpoint: string, status_code: number, response_time_ms: number) => ({
    ...{ method, endpoint, status_code, response_time_ms },
    ...{ request_size_bytes: 1024, response_size_bytes: 2048 },
  });
  for (let i = 0; i < rounds; i++) {
    await server.post("/api/v1/monitoring/metrics/api", [
      request("POST", "/api/v1/generate", 200, 150.5),
      request("POST", "/api/v1/generate", 200, 250),
      request("GET", "/api/v1/models", 200, 12),
      request("GET", "/api/v1/jobs", i % 10 === 0 ? 500 : 200, 40),
      request("POST", "/api/v1/evaluate", i % 4 === 0 ? 422 : 200, 900),
    ]);
    const job = { type: "job", job_id: `job-${i}`, job_type: i % 3 === 0 ? "evaluation" : "finetuning" };
    const model = { type: "model_call", model: "llama-3-8b", operation: "chat", provider: "vllm" };
    await server.post("/api/v1/monitoring/metrics/app", [
      { ...job, event: "started" },
      ...(i % 5 === 4 ? [] : [{ ...job, event: i % 7 === 6 ? "failed" : "completed" }]),
      { type: "cache", cache: "prompt", hits: 8, misses: 2, entries: 120, size_bytes: 65536 },
      { type: "connections", pool: "main", used: 3 + (i % 4), idle: 2, max: 10 },
      { type: "queue", queue: "finetuning", depth: 4 + (i % 6) },
      {
        ...model,
        input_tokens: 150,
        output_tokens: 80,
        duration_ms: 2300,
        time_to_first_token_ms: 180,
        cost_usd: 0.0021,
      },
    ]);
  }
}

/** Raises alerts the way Prometheus does; each stands for an hour unless its end is given. */
export function raise(server: Server, ...alerts: Alert[]): Promise<Response> {
  return server.post(
    "/api/v2/alerts",
    alerts.map(
      ({
        name,
        severity = "high",
        description = `${name} needs somebody.`,
        labels = {},
        annotations = {},
        ended = false,
      }) => ({
        labels: { alertname: name, severity, ...labels },
        annotations: { summary: description, description, ...annotations },
        startsAt: new Date(Date.now() - 60_000).toISOString(),
        endsAt: new Date(Date.now() + (ended ? -1000 : 3_600_000)).toISOString(),
        // Who says by it which server it is, ends its alert at once.
        generatorURL: "http://prometheus.example:9090/graph",
      }),
    ),
  );
}

/** Waits until so many rows are answered. */
export async function rows(server: Server, path: string, least: number): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if ((await server.rest<{ count: number }>(path)).count >= least) return;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`${path} has fewer than ${least} rows after 30 s`);
}

interface Alert {
  name: string;
  severity?: string;
  description?: string;
  labels?: Record<string, string>;
  annotations?: Record<string, string>;
  ended?: boolean;
}

const flags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export const launch = (more: string[] = []): Promise<Browser> =>
  chromium.launch({
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    headless: true,
    args: [...flags, ...more],
  });

export const sizes = { desktop: { width: 1440, height: 900 }, phone: { width: 390, height: 844 } } as const;

interface Look {
  size?: keyof typeof sizes;
  scheme?: "light" | "dark";
}

/** A page that fails its test for whatever the console reports. */
export async function open(
  browser: Browser,
  { size = "desktop", scheme = "light" }: Look = {},
): Promise<{ page: Page; context: BrowserContext; problems: string[] }> {
  const context = await browser.newContext({
    viewport: sizes[size],
    colorScheme: scheme,
    hasTouch: size === "phone",
  });
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") problems.push(message.text());
  });
  page.on("pageerror", (err) => problems.push(String(err)));
  return { page, context, problems };
}

/** Waits until nothing is awaited any more. */
export async function settle(page: Page) {
  await page.waitForSelector("main");
  await page.waitForFunction(() => document.querySelectorAll(".skeleton").length === 0);
}

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What keeps people from using the page as it is now: what axe finds, and what lies beyond the right edge. */
export async function hindrances(page: Page): Promise<string[]> {
  const beyond = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  // axe is run past the page's policy, which forbids foreign scripts.
  await page.evaluate(axe);
  const found = await page.evaluate(async () => {
    const { violations } = await (globalThis as unknown as { axe: typeof import("axe-core") }).axe.run();
    return violations.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`);
  });
  return beyond > 0 ? [`${beyond} pixels beyond the right edge`, ...found] : found;
}

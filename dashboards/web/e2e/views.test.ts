/** Each view shows what REST says, at both sizes, in both themes, for everybody. */
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  feed,
  hindrances,
  launch,
  open,
  output,
  raise,
  rows,
  type Server,
  serve,
  settle,
  sizes,
} from "./harness";

const today = new Date().toISOString().slice(0, 10).replaceAll("-", "");

const views = {
  overview: "/",
  alerts: "/alerts",
  history: "/alerts/history",
  alert: `/alerts/high_api_error_rate_${today}`,
  system: "/system?range=15m",
  api: "/requests?range=15m",
  application: "/application?range=15m",
  runbook: "/runbooks/high_api_error_rate",
  runbooks: "/runbooks",
  rules: "/alerts/rules",
  rule: "/alerts/rules?edit=high_cpu_usage",
  logs: "/logs?range=1h",
  status: "/status?settings=all",
};

let server: Server;
let browser: Browser;

beforeAll(async () => {
  server = await serve();
  browser = await launch();
  await feed(server, 20);
  await raise(
    server,
    {
      name: "high_api_error_rate",
      annotations: { threshold: "10", runbook_url: "https://example.com/runbook" },
    },
    { name: "critical_memory_usage", severity: "critical" },
    { name: "slow_job_queue", severity: "medium" },
    { name: "ended_before", severity: "low", ended: true },
  );
  await rows(server, "/metrics/system", 5);
  await rows(server, "/metrics/app", 3);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

for (const [name, path] of Object.entries(views)) {
  describe(name, () => {
    for (const size of Object.keys(sizes) as (keyof typeof sizes)[]) {
      for (const scheme of ["light", "dark"] as const) {
        it(`is whole and usable by all, ${size}, ${scheme}`, async () => {
          const { page, context, problems } = await open(browser, { size, scheme });
          await page.goto(server.url + path);
          await settle(page);
          await page.screenshot({ path: `${output}/${name}-${size}-${scheme}.png` });
          expect(await hindrances(page)).toEqual([]);
          expect(problems).toEqual([]);
          await context.close();
        });
      }
    }
  });
}

describe("values", () => {
  const text = async (path: string, selector: string) => {
    const { page, context } = await open(browser);
    await page.goto(server.url + path);
    await settle(page);
    const found = (await page.locator(selector).allInnerTexts()).join("\n");
    await context.close();
    return found;
  };

  it("of the overview are REST's", async () => {
    interface Overview {
      data: {
        api_performance: { total_requests: number; error_rate: number; unique_endpoints: number };
        system_health: { disk_usage: number };
      };
    }
    const { data } = await server.rest<Overview>("/dashboard/overview");
    expect(data.api_performance.total_requests).toBe(100);
    const figures = await text("/", ".figures");
    expect(figures).toContain("100");
    expect(figures).toContain(`${data.api_performance.error_rate} %`);
    expect(await text("/", ".health >> nth=2")).toContain(`${data.system_health.disk_usage.toFixed(1)} %`);
  });

  it("of the endpoints are the sums of REST's samples", async () => {
    interface Samples {
      data: { endpoint: string; method: string; request_count: number; error_count: number }[];
    }
    const { data } = await server.rest<Samples>("/metrics/api?minutes=60");
    const sums = new Map<string, { requests: number; errors: number }>();
    for (const s of data) {
      const row = sums.get(s.endpoint) ?? { requests: 0, errors: 0 };
      sums.set(s.endpoint, { requests: row.requests + s.request_count, errors: row.errors + s.error_count });
    }
    expect(sums.get("/api/v1/generate")?.requests).toBe(40);
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/requests?range=1h`);
    await settle(page);
    for (const [endpoint, { requests, errors }] of sums) {
      const cells = await page
        .locator(".endpoints tbody tr", { hasText: endpoint })
        .locator("td")
        .allInnerTexts();
      expect([endpoint, ...cells.slice(0, 2)]).toEqual([endpoint, String(requests), String(errors)]);
    }
    await context.close();
  });

  it("of the system's table are REST's samples", async () => {
    interface Samples {
      data: { timestamp: string; cpu_percent: number }[];
    }
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/system?range=15m`);
    await page.getByRole("button", { name: "CPU as a table" }).click();
    const [first = "", value = ""] = await page
      .locator(".data-table tbody tr")
      .nth(1)
      .locator("td")
      .allInnerTexts();
    const { data } = await server.rest<Samples>("/metrics/system?minutes=15");
    const clock = (timestamp: string) => new Date(timestamp).toTimeString().slice(0, 8);
    const found = data.find((s) => first.endsWith(clock(s.timestamp)));
    expect(`${found?.cpu_percent.toFixed(1)} %`).toBe(value);
    await context.close();
  });

  it("of the application are REST's", async () => {
    interface Summary {
      data: {
        app: { jobs: { type: string; completed: number }[]; models: { model: string; requests: number }[] };
      };
    }
    const { data } = await server.rest<Summary>("/metrics/summary?hours=1");
    const tables = await text("/application?range=1h", "table");
    for (const job of data.app.jobs)
      expect(tables).toMatch(new RegExp(`${job.type}\\s.*\\b${job.completed}\\b`));
    for (const model of data.app.models)
      expect(tables).toMatch(new RegExp(`${model.model}\\s+${model.requests}\\b`));
  });
});

/** Several hosts, one of which is chosen; and ranges that ended before now. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { feed, hindrances, launch, open, output, rows, type Server, serve, settle, sizes } from "./harness";

const strange = "<img src=x onerror=\"document.title='run'\">\\";

/** The share of memory that each host uses, in percent. */
const used: Record<string, number> = { "gpu-1": 40, "gpu-2": 70, [strange]: 55 };

/** What node_exporter would say of a host. */
function exposition(percent: number): string {
  const seconds = Date.now() / 1000;
  return `
node_cpu_seconds_total{cpu="0",mode="idle"} ${0.9 * seconds}
node_cpu_seconds_total{cpu="0",mode="user"} ${0.1 * seconds}
node_memory_MemTotal_bytes 1000
node_memory_MemAvailable_bytes ${1000 - 10 * percent}
node_network_transmit_bytes_total{device="eth0"} ${1000 * seconds}
node_network_receive_bytes_total{device="eth0"} ${1000 * seconds}
node_sockstat_TCP_inuse ${percent}
`;
}

const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));
const exporter = createServer(({ url = "" }, response) => {
  response.setHeader("Content-Type", "text/plain; version=0.0.4");
  response.end(exposition(Number(url.split("/").at(-1))));
});

let server: Server;
let browser: Browser;

interface Samples {
  data: { timestamp: string; memory_percent: number }[];
  instances: string[];
}

beforeAll(async () => {
  await new Promise<void>((done) => exporter.listen(0, "127.0.0.1", done));
  const { port } = exporter.address() as AddressInfo;
  const config = join(dir, "prometheus.yml");
  const jobs = Object.entries(used).map(([instance, percent], i) => ({
    ...{ job_name: `host-${i}`, scrape_interval: "1s", metrics_path: `/${percent}` },
    static_configs: [{ targets: [`127.0.0.1:${port}`], labels: { instance } }],
  }));
  writeFileSync(config, JSON.stringify({ scrape_configs: jobs })); // JSON is YAML.
  server = await serve([], { env: { LLMWATCH_PROMETHEUS_CONFIG_FILE: config } });
  browser = await launch();
  const all = (least: number) =>
    Promise.all(
      Object.keys(used).map((host) =>
        rows(server, `/metrics/system?instance=${encodeURIComponent(host)}`, least),
      ),
    );
  await all(2);
  await feed(server, 3);
  await all(8);
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  exporter.close();
  rmSync(dir, { recursive: true, force: true });
});

const picker = (page: Page) => page.getByRole("combobox", { name: "Host" });

/** The values of a chart, the newest first. */
async function table(page: Page, chart: string): Promise<string[][]> {
  await page.getByRole("button", { name: `${chart} as a table` }).click();
  const lines = await page.getByRole("table", { name: chart }).locator("tbody tr").allInnerTexts();
  await page.getByRole("button", { name: `${chart} as a table` }).click();
  return lines.map((line) => line.split("\t"));
}

async function download(page: Page, format: "CSV" | "JSON"): Promise<{ url: URL; text: string }> {
  await page.getByText("Export", { exact: true }).click();
  const [file] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: format }).click(),
  ]);
  await page.getByText("Export", { exact: true }).click();
  return { url: new URL(file.url()), text: readFileSync(await file.path(), "utf8") };
}

describe("a host", () => {
  it("is chosen of those that REST names, stands in the address, and charts and export follow", async () => {
    const { page, context, problems } = await open(browser);
    await page.goto(`${server.url}/system?range=15m`);
    await picker(page).waitFor();
    const { instances } = await server.rest<Samples>("/metrics/system?minutes=15");
    expect(instances).toEqual(expect.arrayContaining(Object.keys(used)));
    expect(await picker(page).locator("option").allInnerTexts()).toEqual(["All hosts", ...instances]);
    for (const host of ["gpu-1", "gpu-2"]) {
      await picker(page).focus();
      await picker(page).selectOption(host);
      await page.waitForURL(`**/system?range=15m&instance=${host}`);
      await settle(page);
      expect(await picker(page).evaluate((select) => select === document.activeElement)).toBe(true);
      const shown = (await table(page, "Memory")).map(([, value]) => value);
      expect(new Set(shown)).toEqual(new Set([`${used[host]}.0 %`]));
    }
    const { url, text } = await download(page, "JSON");
    expect([url.searchParams.get("instance"), url.searchParams.get("minutes")]).toEqual(["gpu-2", "15"]);
    const exported = JSON.parse(text) as Samples["data"];
    expect(exported.length).toBeGreaterThan(5);
    expect(new Set(exported.map((s) => s.memory_percent))).toEqual(new Set([70]));

    await page.goBack();
    await expect.poll(() => picker(page).inputValue()).toBe("gpu-1");
    await picker(page).selectOption("All hosts");
    await page.waitForURL("**/system?range=15m");
    await settle(page);
    const all = new Set((await table(page, "Memory")).map(([, value]) => value));
    expect(all).not.toContain("40.0 %");
    expect(problems).toEqual([]);
    await context.close();
  });

  it("is what PromQL is asked for, where a range is too long for samples", async () => {
    const { page, context } = await open(browser);
    const asked: string[] = [];
    page.on("request", (request) => {
      const url = new URL(request.url());
      if (url.pathname.endsWith("/query_range")) asked.push(url.searchParams.get("query") ?? "");
    });
    await page.goto(`${server.url}/system?range=12h&instance=gpu-1`);
    await picker(page).getByText("gpu-2").waitFor({ state: "attached" });
    expect(await picker(page).locator("option").allInnerTexts()).toEqual(
      expect.arrayContaining(["All hosts", ...Object.keys(used)]),
    );
    await expect.poll(() => new Set(asked).size).toBeGreaterThanOrEqual(6);
    for (const query of new Set(asked)) {
      const answer = await fetch(
        `${server.url}/prometheus/api/v1/query?query=${encodeURIComponent(query)}`,
      ).then((r) => r.json() as Promise<{ data: { result: { value: [number, string] }[] } }>);
      const values = answer.data.result.map(({ value }) => Number(value[1]));
      if (query.includes("memory")) expect(values).toEqual([40]);
      if (query.includes("connections")) expect(values).toEqual([40]);
      expect(query).toContain('{instance="gpu-1"}');
    }
    await context.close();
  });

  it("that is gone can be left again", async () => {
    const { page, context } = await open(browser);
    await page.goto(`${server.url}/system?range=15m&instance=none`);
    await page.getByText("No data in this range.").first().waitFor();
    expect(await picker(page).inputValue()).toBe("none");
    await picker(page).selectOption("All hosts");
    await page.getByRole("slider", { name: "Memory over time" }).waitFor();
    await context.close();
  });

  it("that is alone need not be chosen", async () => {
    const { page, context } = await open(browser);
    await page.route("**/metrics/system?*", async (route) => {
      const response = await route.fetch();
      await route.fulfill({ json: { ...((await response.json()) as object), instances: ["gpu-1"] } });
    });
    await page.goto(`${server.url}/system?range=15m`);
    await page.getByRole("slider", { name: "Memory over time" }).waitFor();
    expect(await picker(page).count()).toBe(0);
    // In a longer time there were more.
    await page.getByRole("combobox", { name: "Time range" }).selectOption("12h");
    await picker(page).getByText("gpu-2").waitFor({ state: "attached" });
    await context.close();
  });

  for (const size of Object.keys(sizes) as (keyof typeof sizes)[]) {
    for (const scheme of ["light", "dark"] as const) {
      it(`of any name is chosen by all, ${size}, ${scheme}`, async () => {
        const { page, context, problems } = await open(browser, { size, scheme });
        await page.goto(`${server.url}/system?range=15m`);
        await picker(page).selectOption(strange);
        await expect.poll(() => new URL(page.url()).searchParams.get("instance")).toBe(strange);
        await settle(page);
        expect((await table(page, "Memory"))[0]?.[1]).toBe("55.0 %");
        await page.screenshot({ path: `${output}/host-${size}-${scheme}.png` });
        expect(await hindrances(page)).toEqual([]);
        expect(await page.title()).not.toBe("run");
        expect(problems).toEqual([]);
        await context.close();
      });
    }
  }
});

describe("a range that ended before now", () => {
  const range = async () => {
    const { data } = await server.rest<Samples>("/metrics/system?minutes=15");
    const second = (i: number) => `${data.at(i)?.timestamp.slice(0, 19)}Z`;
    return { start: second(0), end: second(-3) };
  };

  it.each([
    ["system", "system"],
    ["requests", "api"],
    ["application", "app"],
  ])("is what the file of the view %s holds", async (view, kind) => {
    const { start, end } = await range();
    const { page, context } = await open(browser);
    const asked: string[] = [];
    page.on("request", (request) => asked.push(request.url().split("/monitoring")[1] ?? ""));
    await page.goto(`${server.url}/${view}?from=${start}&to=${end}`);
    await settle(page);
    const { url, text } = await download(page, "JSON");
    expect(Object.fromEntries(url.searchParams)).toEqual({ start, end, format: "json" });
    const { data } = await server.rest<Samples>(`/metrics/${kind}?start=${start}&end=${end}`);
    expect(data.length).toBeGreaterThan(0);
    expect(JSON.parse(text)).toEqual(data);
    for (const { timestamp } of data) {
      expect(Date.parse(timestamp)).toBeGreaterThan(Date.parse(start));
      expect(Date.parse(timestamp)).toBeLessThanOrEqual(Date.parse(end));
    }
    if (kind === "system") {
      const shown = (await table(page, "Memory")).map(([, value]) => value);
      expect(shown).toEqual(data.map((s) => `${s.memory_percent.toFixed(1)} %`).reverse());
    }
    if (kind === "app") {
      await page.getByRole("heading", { name: "Models, in this range" }).waitFor();
      expect(asked).toContain(
        `/metrics/summary?start=${encodeURIComponent(start)}&end=${encodeURIComponent(end)}`,
      );
    }
    await context.close();
  });
});

it("a range that has not begun cannot be chosen", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/system`);
  await page.getByRole("combobox", { name: "Time range" }).selectOption("choose");
  const year = new Date().getFullYear() + 1;
  await page.getByLabel("To", { exact: true }).fill(`${year}-02-01T00:00:01`);
  await page.getByLabel("From", { exact: true }).fill(`${year}-02-01T00:00:00`);
  await page.getByText("The beginning must lie before now.").waitFor();
  expect(await page.getByRole("button", { name: "Show" }).isDisabled()).toBe(true);
  await context.close();
});

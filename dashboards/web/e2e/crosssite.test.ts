/** What a page of another site may cause here while somebody looks at it. */
import { createServer, type Server as HttpServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, type Server, serve } from "./harness";

const name = "cats.example";
let server: Server;
let browser: Browser;
let cats: HttpServer;
let elsewhere: string;

beforeAll(async () => {
  server = await serve();
  browser = await launch([`--host-resolver-rules=MAP ${name} 127.0.0.1`]);
  cats = createServer((asked, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(asked.url === "/link" ? `<a href="${server.url}/alerts">alerts</a>` : "<h1>cats</h1>");
  });
  await new Promise<void>((done) => cats.listen(0, "127.0.0.1", done));
  elsewhere = `:${(cats.address() as AddressInfo).port}`;
});

afterAll(async () => {
  await browser?.close();
  cats?.close();
  await server?.stop();
});

async function refused(): Promise<number> {
  const text = await (await fetch(`${server.url}/metrics`)).text();
  return Number(/llmwatch_requests_refused_total\{reason="origin"\} (\d+)/.exec(text)?.[1] ?? 0);
}

for (const host of [name, "127.0.0.1", "localhost"]) {
  it(`a page of ${host} on another port starts no query`, async () => {
    const { page, context } = await open(browser);
    await page.goto(`http://${host}${elsewhere}/`);
    const before = await refused();
    const queries = `${server.url}/prometheus/api/v1/query?query=vector(1)`;
    await page.evaluate(async (url) => {
      const ended = (of: HTMLElement) =>
        new Promise((done) => {
          of.onload = of.onerror = done;
          document.body.append(of);
        });
      const image = new Image();
      image.src = `${url}&by=img`;
      image.referrerPolicy = "no-referrer";
      const script = document.createElement("script");
      script.src = `${url}&by=script`;
      await Promise.all([
        ended(image),
        ended(script),
        fetch(`${url}&by=fetch`, { mode: "no-cors" }).catch(() => {}),
        fetch(`${url}&by=cors`).catch(() => {}),
      ]);
    }, queries);
    expect((await refused()) - before).toBe(4);
    const answer = await page.goto(`${server.url}/alerts`);
    expect(answer?.status()).toBe(200);
    await context.close();
  });
}

it("a link from elsewhere leads to the page, and not to a query", async () => {
  const { page, context } = await open(browser);
  await page.goto(`http://${name}${elsewhere}/link`);
  await page.getByRole("link").click();
  await page.getByRole("link", { name: "Logs" }).first().waitFor();
  expect(page.url()).toBe(`${server.url}/alerts`);

  await page.goto(`http://${name}${elsewhere}/`);
  const query = `${server.url}/prometheus/api/v1/query?query=vector(1)`;
  const [answer] = await Promise.all([
    page.waitForResponse((r) => r.url() === query),
    page.evaluate((url) => {
      location.href = url;
    }, query),
  ]);
  expect(answer.status()).toBe(403);
  await context.close();
});

it("names and addresses that mean this machine to a browser do not help", async () => {
  const { page, context } = await open(browser);
  const port = new URL(server.url).port;
  await page.goto(`http://${name}${elsewhere}/`);
  for (const host of [name, "0.0.0.0", "[::ffff:127.0.0.1]"]) {
    const seen: number[] = [];
    page.on("response", (r) => {
      if (r.url().includes("/prometheus/")) seen.push(r.status());
    });
    await page.evaluate(
      (url) =>
        new Promise((done) => {
          const image = new Image();
          image.onload = image.onerror = done;
          image.referrerPolicy = "no-referrer";
          image.src = url;
        }),
      `http://${host}:${port}/prometheus/api/v1/query?query=vector(1)`,
    );
    // Where the browser itself does not go there, nothing is answered.
    for (const status of seen) expect(status, host).toBe(403);
  }
  await context.close();
});

/** The way in, where authentication is on. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server as HttpServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { binary, hindrances, launch, open, output, type Server, serve, sizes } from "./harness";

const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));
const password = "correct horse battery";
let server: Server;
let browser: Browser;

beforeAll(async () => {
  execFileSync(binary, ["users", "add", "ada", "--role", "operator", "--data-dir", dir], { input: password });
  server = await serve([], { dir, env: { LLMWATCH_SECURITY_API_AUTHENTICATION: "true" } });
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  rmSync(dir, { recursive: true, force: true });
});

async function logIn(page: Page, word = password) {
  await page.getByLabel("User name").fill("ada");
  await page.getByLabel("Password").fill(word);
  await page.getByRole("button", { name: "Log in" }).click();
}

describe("the login", () => {
  for (const size of Object.keys(sizes) as (keyof typeof sizes)[]) {
    for (const scheme of ["light", "dark"] as const) {
      it(`is whole and usable by all, ${size}, ${scheme}`, async () => {
        const { page, context } = await open(browser, { size, scheme });
        await page.goto(server.url);
        await page.getByLabel("User name").waitFor();
        expect(await hindrances(page)).toEqual([]);
        await logIn(page, "wrong");
        await page.getByText("username or password is wrong").waitFor();
        await page.screenshot({ path: `${output}/login-${size}-${scheme}.png` });
        expect(await hindrances(page), "once refused").toEqual([]);
        await context.close();
      });
    }
  }

  it("is the first thing that is drawn", async () => {
    const { page, context } = await open(browser);
    await page.addInitScript(() => {
      const seen = new MutationObserver(() => {
        const drawn = document.querySelector("#root > *")?.className;
        if (drawn === undefined) return;
        seen.disconnect();
        (window as { drawn?: string }).drawn = drawn;
      });
      seen.observe(document, { childList: true, subtree: true });
    });
    await page.goto(server.url);
    await page.getByLabel("User name").waitFor();
    expect(await page.evaluate(() => (window as { drawn?: string }).drawn)).toBe("login");
    await context.close();
  });
});

it("a login leads to the view that was asked for, and a logout back", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/alerts/rules`);
  await logIn(page);
  await page.getByText("high_cpu_usage").first().waitFor();
  await page.getByText("Live").waitFor();
  expect(await page.getByRole("button", { name: "New rule" }).count()).toBe(0);

  await page.goto(`${server.url}/alerts`);
  await page.getByText("ada").first().waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.getByLabel("User name").waitFor();
  await page.goto(`${server.url}/status`);
  await page.getByLabel("User name").waitFor();
  await context.close();
});

describe("behind a proxy that takes a prefix off", () => {
  let proxy: HttpServer;
  let url: string;

  beforeAll(async () => {
    const { hostname, port } = new URL(server.url);
    proxy = createServer((asked, answer) => {
      if (!asked.url?.startsWith("/behind/proxy/")) {
        answer.writeHead(404).end();
        return;
      }
      const path = asked.url.slice("/behind/proxy".length);
      const { method, headers } = asked;
      const passed = request({ hostname, port, path, method, headers }, (got) => {
        answer.writeHead(got.statusCode ?? 502, got.headers);
        got.pipe(answer);
      });
      passed.on("error", () => answer.destroy());
      answer.on("close", () => passed.destroy());
      asked.pipe(passed);
    });
    await new Promise<void>((done) => proxy.listen(0, "127.0.0.1", done));
    url = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/behind/proxy`;
  });

  afterAll(() => {
    proxy.closeAllConnections();
    proxy.close();
  });

  it("a login leads to the view that was asked for, and a logout back", async () => {
    const { page, context } = await open(browser);
    const outside: string[] = [];
    page.on("request", (asked) => {
      if (!asked.url().startsWith(`${url}/`)) outside.push(asked.url());
    });
    await page.goto(`${url}/alerts/rules`);
    await logIn(page);
    await page.getByText("high_cpu_usage").first().waitFor();
    await page.getByText("Live").waitFor();
    expect(page.url()).toBe(`${url}/alerts/rules`);
    // Loading again finds the session.
    await page.goto(`${url}/`);
    await page.getByText("ada").first().waitFor();
    await page.locator(".health").first().waitFor();
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByLabel("User name").waitFor();
    await page.reload();
    await page.getByLabel("User name").waitFor();
    expect(outside).toEqual([]);
    await context.close();
  });
});

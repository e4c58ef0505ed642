/** What is shown when there is nothing to show, or nobody answers as hoped. */
import type { Browser, Route } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { launch, open, type Server, serve } from "./harness";

let server: Server;
let browser: Browser;

beforeAll(async () => {
  server = await serve();
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
});

const refuse = (status: number, code: string, message: string) => (route: Route) =>
  route.fulfill({ status, json: { success: false, error: { code, message } } });

it("an empty llmwatch says what is missing and spins nowhere", async () => {
  const { page, context } = await open(browser);
  for (const [path, text] of [
    ["/", "Nothing is firing."],
    ["/", "No requests in the last hour."],
    ["/alerts/history", "No alert fits."],
    ["/requests", "No requests in this range."],
    ["/requests?from=2020-01-01T00:00:00Z&to=2020-01-01T01:00:00Z", "No data in this range."],
    ["/application", "No model calls in this time."],
    ["/nowhere/at/all", "there is nothing at"],
  ] as const) {
    await page.goto(server.url + path);
    await page.getByText(text).first().waitFor();
    await page.waitForFunction(() => document.querySelectorAll(".skeleton").length === 0);
  }
  await context.close();
});

it("an error is told in the server's words, and can be tried again", async () => {
  const { page, context } = await open(browser);
  await page.route("**/dashboard/overview", refuse(503, "unavailable", "the metrics server does not answer"));
  await page.goto(server.url);
  await page.getByText("Could not load the overview.").waitFor();
  await page.getByText("the metrics server does not answer").waitFor();
  await page.unroute("**/dashboard/overview");
  await page.getByRole("button", { name: "Try again" }).click();
  await page.locator(".health").first().waitFor();
  await context.close();
});

it("what is said in a panel keeps away from its edge", async () => {
  const { page, context } = await open(browser);
  for (const path of ["/alerts", "/logs/search", "/logs/statistics", "/rules"])
    await page.route(`**/api/v1/monitoring${path}*`, refuse(503, "unavailable", "not now"));
  for (const [path, what] of [
    ["/", "alerts"],
    ["/", "log entries"],
    ["/alerts", "alerts"],
    ["/alerts/rules", "the rules"],
    ["/logs", "log entries"],
    ["/logs", "the statistics"],
  ] as const) {
    await page.goto(server.url + path);
    const text = page.getByText(`Could not load ${what}.`).first();
    await text.waitFor();
    const distance = await text.evaluate(
      (it) =>
        it.getBoundingClientRect().left - (it.closest(".panel")?.getBoundingClientRect().left ?? Number.NaN),
    );
    expect(Math.round(distance), `${what} on ${path}`).toBe(15);
  }
  await context.close();
});

it("an answer of another form costs its view and not the page", async () => {
  const { page, context } = await open(browser);
  await page.route("**/api/v1/monitoring/status", (route) => route.fulfill({ json: { success: true } }));
  await page.goto(`${server.url}/status`);
  await page.getByText("This view failed").waitFor();
  await page.getByRole("link", { name: "System" }).click();
  await page.getByRole("heading", { name: "System" }).waitFor();
  await context.close();
});

it("a slow answer is waited for visibly, and not for ever", async () => {
  const { page, context } = await open(browser);
  await page.clock.install();
  await page.route("**/dashboard/overview", () => {});
  await page.goto(server.url);
  await page.locator(".skeleton").first().waitFor();
  await page.clock.runFor(3500);
  await page.getByText("Still waiting for the overview.").waitFor();
  // Two questions, each with its own end.
  for (let i = 0; i < 50 && (await page.getByText("Could not load the overview.").count()) === 0; i++) {
    await page.clock.runFor(1000);
  }
  await page.getByText("did not answer within 20 s").waitFor();
  await context.close();
}, 90_000);

it("who is logged out meets the login, and then the view that was wanted", async () => {
  const { page, context } = await open(browser, { size: "phone" });
  const session = {
    authentication: "on",
    authenticated: true,
    name: "ada",
    role: "viewer",
    permissions: ["read_metrics"],
    csrf_token: "t0ken",
  };
  let known = false;
  await page.route("**/session", (route) =>
    known
      ? route.fulfill({ json: { success: true, data: session } })
      : refuse(401, "unauthenticated", "log in")(route),
  );
  await page.route("**/login", (route) => {
    const { password } = route.request().postDataJSON() as { password: string };
    if (password !== "right")
      return refuse(401, "unauthenticated", "the user name or the password is wrong")(route);
    known = true;
    return route.fulfill({ json: { success: true, data: session } });
  });
  await page.goto(`${server.url}/status`);
  await page.getByLabel("User name").fill("ada");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("the user name or the password is wrong").waitFor();
  await page.getByLabel("Password").fill("right");
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Status" }).waitFor();
  // A viewer is offered nothing that a viewer may not do.
  await page.goto(`${server.url}/alerts/rules`);
  await page.getByText("high_cpu_usage").first().waitFor();
  expect(await page.getByRole("button", { name: "New rule" }).count()).toBe(0);
  // The session ends while the page is open.
  known = false;
  await page.route("**/status", refuse(401, "unauthenticated", "log in"));
  await page.getByRole("link", { name: "Status" }).click();
  await page.getByLabel("User name").waitFor();
  await context.close();
});

it("works under a path prefix, on every view", async () => {
  const { page, context, problems } = await open(browser);
  // A proxy that takes the prefix off.
  await page.route("**/behind/proxy/**", async (route) => {
    const url = new URL(route.request().url());
    const answer = await fetch(server.url + url.pathname.replace("/behind/proxy", "") + url.search);
    await route.fulfill({
      status: answer.status,
      headers: Object.fromEntries(
        [...answer.headers].filter(([name]) => name !== "content-encoding" && name !== "content-length"),
      ),
      body: Buffer.from(await answer.arrayBuffer()),
    });
  });
  await page.route("**/events", (route) => route.abort());
  const outside: string[] = [];
  page.on("request", (request) => {
    if (!new URL(request.url()).pathname.startsWith("/behind/proxy/")) outside.push(request.url());
  });
  for (const path of ["/", "/alerts/rules", "/system"]) {
    await page.goto(`http://localhost:1/behind/proxy${path}`);
    await page.waitForSelector("main");
    await page.waitForFunction(() => document.querySelectorAll(".skeleton").length === 0);
  }
  await page.getByRole("link", { name: "Status" }).click();
  await page.waitForURL("**/behind/proxy/status");
  expect(outside).toEqual([]);
  expect(problems.filter((p) => !p.includes("ERR_FAILED"))).toEqual([]);
  await context.close();
});

it("moves nothing for those who asked for stillness", async () => {
  const { page, context } = await open(browser);
  await page.emulateMedia({ reducedMotion: "reduce" });
  await page.route("**/dashboard/overview", () => {});
  await page.goto(server.url);
  await page.locator(".skeleton i").first().waitFor();
  const running = await page.evaluate(() => document.getAnimations().length);
  expect(running).toBe(0);
  await context.close();
});

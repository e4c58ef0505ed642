/** The status: components, notification channels and the configuration in force. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { binary, hindrances, launch, open, output, type Server, serve, settle, sizes } from "./harness";

interface Settings {
  data: { key: string; value: string; default: string; origin: string; secret: boolean }[];
}

const markup = "<img src=x onerror=\"document.title='run'\">";
const password = "correct horse battery";

const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));
const file = join(dir, "llmwatch.yml");

/** What the webhook's server answers. */
let answer = 200;
const hook = createServer((_, response) => response.writeHead(answer).end());

const configure = (retention: number) =>
  writeFileSync(
    file,
    `
metrics: {retention_days: ${retention}}
notifications:
  email:
    enabled: true
    smtp_server: 127.0.0.1
    smtp_port: 1
    smtp_tls: none
    smtp_username: ${JSON.stringify(markup)}
    smtp_password: hush-hush
    from_email: llmwatch@example.com
    to_emails: [ops@example.com]
  webhook: {url: "http://127.0.0.1:${(hook.address() as AddressInfo).port}/hush-hush"}
`,
  );

let server: Server;
let browser: Browser;

beforeAll(async () => {
  await new Promise<void>((done) => hook.listen(0, "127.0.0.1", done));
  configure(3);
  server = await serve(["--config", file]);
  browser = await launch();
});

afterAll(async () => {
  await browser?.close();
  await server?.stop();
  hook.close();
  rmSync(dir, { recursive: true, force: true });
});

const item = (page: Page, section: string, name: string) =>
  page
    .getByRole("region", { name: `Settings of ${section}`, exact: true })
    .locator(".settings > li")
    .filter({ has: page.getByText(name, { exact: true }) });

it("has a part for each component, and its details", async () => {
  interface Status {
    data: { name: string; details?: { version?: string } }[];
  }
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/status`);
  await settle(page);
  const { data } = await server.rest<Status>("/status");
  const headings = (await page.locator("h2").allInnerTexts()).join("\n");
  for (const { name } of data.filter((c) => c.name !== "notifications")) expect(headings).toContain(name);
  expect(headings).toContain("Notification channels");
  const version = data.find((c) => c.name === "llmwatch")?.details?.version ?? "none";
  await page.getByRole("region", { name: "llmwatch", exact: true }).getByText(version).first().waitFor();
  await context.close();
});

it("shows each setting as REST does, and no secret", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/status?settings=all`);
  await settle(page);
  const { data } = await server.rest<Settings>("/configuration");
  expect(data.length).toBeGreaterThan(50);
  const shown = await page
    .locator("section:has(> .settings)")
    .evaluateAll((sections) =>
      sections.flatMap((s) =>
        [...s.querySelectorAll(".settings > li")].map((li) => [
          `${s.querySelector("h3")?.textContent}.${li.querySelector("code")?.textContent}`,
          li.children[1]?.querySelector("p > :first-child")?.textContent,
          li.children[2]?.querySelector("p")?.textContent,
          li.textContent?.includes("Changed"),
        ]),
      ),
    );
  expect(shown).toEqual(
    data.map((s) => [
      s.key,
      s.value === "" ? "not set" : s.secret ? "set, and hidden" : s.value,
      s.origin === "default" ? "default" : `from ${s.origin}`,
      s.value !== s.default,
    ]),
  );
  expect(shown).toContainEqual(["notifications.email.smtp_username", markup, `from ${file}:9`, true]);
  expect(await page.content()).not.toContain("hush-hush");
  await context.close();
});

it("shows what was changed first, and finds any setting", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/status`);
  const changed = (await server.rest<Settings>("/configuration")).data.filter((s) => s.value !== s.default);
  await item(page, "metrics", "retention_days").getByText("default 7d").waitFor();
  expect(await page.locator(".settings > li").count()).toBe(changed.length);
  await page.getByLabel("Find a setting").fill("max_size");
  await item(page, "logging", "max_size").waitFor();
  await page.waitForURL("**/status?setting=max_size");
  await page.getByLabel("Find a setting").fill("none such");
  await page.getByText("No setting fits.").waitFor();
  await context.close();
});

it("says what the file says by now but takes a restart", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/status`);
  await item(page, "metrics", "retention_days").getByText("3d", { exact: true }).waitFor();
  configure(5);
  expect((await server.post("/-/reload", {})).status).toBe(200);
  const row = item(page, "metrics", "retention_days");
  await row.getByText("Needs a restart").waitFor();
  await row.getByText("5d", { exact: true }).waitFor();
  await row.getByText("3d", { exact: true }).waitFor();
  await page.getByText("1 setting was changed since the start").waitFor();
  configure(3);
  expect((await server.post("/-/reload", {})).status).toBe(200);
  await expect.poll(() => page.getByText("Needs a restart").count()).toBe(0);
  await context.close();
});

it("tests each channel, and all, in its server's words", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/status`);
  const channel = (name: string) => page.locator(".channels > li", { hasText: name });
  await channel("webhook").getByText("Not used yet").waitFor();
  await page.getByRole("button", { name: "Test webhook" }).click();
  await channel("webhook").getByText("Test accepted").waitFor();
  await channel("webhook").getByText("200 OK").waitFor();
  expect(await channel("email").getByText("Test").allInnerTexts()).toEqual(["Test"]);
  answer = 503;
  await page.getByRole("button", { name: "Test all" }).click();
  await channel("webhook").getByText("Test failed").waitFor();
  await channel("webhook").getByText("503 Service Unavailable").waitFor();
  await channel("webhook").getByText("Fails").waitFor();
  await channel("email").getByText("Test failed").waitFor();
  await channel("email").getByText("connection refused").waitFor();
  answer = 200;
  await context.close();
});

it("shows how the newest message over each channel ended", async () => {
  const { page, context } = await open(browser);
  const moment = new Date(Date.now() - 60_000).toISOString();
  await page.route("**/monitoring/status", (route) =>
    route.fulfill({
      json: {
        success: true,
        count: 1,
        data: [
          {
            ...{ name: "notifications", running: true, since: moment, last_success: null },
            last_error: `mail: ${markup}`,
            details: {
              pending: 7,
              channels: [
                {
                  name: markup,
                  ...{ last_accepted: moment, last_failed: null, last_error: "", pending: 0 },
                },
                { name: "mail", last_accepted: null, last_failed: moment, last_error: markup, pending: 4 },
              ],
            },
          },
        ],
      },
    }),
  );
  await page.goto(`${server.url}/status`);
  const channels = page.locator(".channels > li");
  await channels.nth(0).getByText("Works").waitFor();
  await channels.nth(0).getByText(markup).waitFor();
  await channels.nth(1).getByText("Fails").waitFor();
  await channels.nth(1).getByText(markup).waitFor();
  await channels.nth(1).getByText("4 notifications owed").waitFor();
  await page.getByText("3 notifications are owed to channels that are configured no more.").waitFor();
  expect(await page.title()).not.toBe("run");
  await context.close();
});

for (const size of Object.keys(sizes) as (keyof typeof sizes)[]) {
  for (const scheme of ["light", "dark"] as const) {
    it(`channels that were tested are for all, ${size}, ${scheme}`, async () => {
      const { page, context, problems } = await open(browser, { size, scheme });
      await page.goto(`${server.url}/status`);
      await page.getByRole("button", { name: "Test all" }).click();
      await page.getByText("Test failed").first().waitFor();
      await settle(page);
      await page.screenshot({ path: `${output}/channels-${size}-${scheme}.png`, fullPage: true });
      expect(await hindrances(page)).toEqual([]);
      expect(problems).toEqual([]);
      await context.close();
    });
  }
}

it("tells a viewer that the configuration is for others, without asking for it", async () => {
  const users = join(dir, "users");
  execFileSync(binary, ["users", "add", "ada", "--role", "viewer", "--data-dir", users], { input: password });
  const guarded = await serve(["--config", file], {
    dir: users,
    env: { LLMWATCH_SECURITY_API_AUTHENTICATION: "true" },
  });
  const { page, context, problems } = await open(browser);
  const asked: string[] = [];
  page.on("request", (request) => asked.push(new URL(request.url()).pathname));
  await page.goto(`${guarded.url}/status`);
  await page.getByLabel("User name").fill("ada");
  await page.getByLabel("Password").fill(password);
  problems.length = 0; // Nobody was logged in before.
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByText("The configuration is shown to administrators.").waitFor();
  await page.reload();
  await page.getByText("Your role, viewer, does not permit it.").waitFor();
  await page.locator(".channels > li", { hasText: "webhook" }).waitFor();
  expect(await page.getByRole("button", { name: /^Test/ }).count()).toBe(0);
  expect(asked.filter((path) => path.endsWith("/configuration"))).toEqual([]);
  expect(problems).toEqual([]);
  // A role that was taken away meanwhile.
  await page.route("**/session", async (route) => {
    const response = await route.fetch();
    const { data } = (await response.json()) as { data: { permissions: string[] } };
    await route.fulfill({
      json: { success: true, data: { ...data, permissions: [...data.permissions, "read_configuration"] } },
    });
  });
  await page.reload();
  await page.getByText("read_configuration").first().waitFor();
  expect(await page.getByRole("button", { name: "Try again" }).count()).toBe(0);
  await context.close();
  await guarded.stop();
});

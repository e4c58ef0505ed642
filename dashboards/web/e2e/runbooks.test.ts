/** What to do about an alert, at hand where the alert is. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Browser } from "playwright-core";
import { afterAll, beforeAll, expect, it } from "vitest";
import { binary, hindrances, launch, open, raise, type Server, serve, settle } from "./harness";

interface Runbook {
  data: { name: string; title: string; markdown: string };
}

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

const today = new Date().toISOString().slice(0, 10).replaceAll("-", "");

it("each default rule leads to its runbook, which is shown as REST has it", async () => {
  interface Rules {
    data: { name: string; annotations: Record<string, string> }[];
  }
  const { page, context, problems } = await open(browser);
  await page.goto(`${server.url}/alerts/rules`);
  await settle(page);
  const { data } = await server.rest<Rules>("/rules");
  for (const { name } of data) {
    const link = page.getByRole("link", { name: `Runbook of ${name}`, exact: true });
    expect(await link.getAttribute("href")).toBe(`/runbooks/${name}`);
  }
  await page.getByRole("link", { name: "Runbook of high_cpu_usage" }).click();
  await page.getByRole("heading", { name: "Runbooks / high_cpu_usage" }).waitFor();
  const { markdown } = (await server.rest<Runbook>("/runbooks/high_cpu_usage")).data;
  const headings = [...markdown.matchAll(/^## (.*)$/gm)].map((m) => m[1]);
  await page.locator(".markdown h2").first().waitFor();
  expect(await page.locator(".markdown h2").allInnerTexts()).toEqual(headings);
  const commands = [...markdown.matchAll(/^ {4}(.*\S)$/gm)].map((m) => m[1]);
  const shown = (await page.locator(".markdown pre").allInnerTexts()).join("\n").split("\n");
  expect(shown.map((l) => l.trim()).filter(Boolean)).toEqual(commands.map((l) => l?.trim()));
  await page.goBack();
  await page.waitForURL("**/alerts/rules");
  expect(problems).toEqual([]);
  await context.close();
});

it("an alert leads to its runbook, and the runbook to the alert", async () => {
  await raise(
    server,
    { name: "slow_job_queue", annotations: { runbook_url: "docs/runbooks/slow_job_queue.md" } },
    { name: "by_another_name", annotations: { runbook_url: "docs/runbooks/slow_job_queue.md" } },
    { name: "of_others", annotations: { runbook_url: "https://example.com/runbook" } },
    { name: "astray", annotations: { runbook_url: "javascript:document.title='run'" } },
  );
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/alerts/slow_job_queue_${today}`);
  await page.getByRole("link", { name: "Runbook", exact: true }).click();
  await page.waitForURL("**/runbooks/slow_job_queue");
  await page.getByRole("heading", { name: "2 alerts now" }).waitFor();
  await page.getByRole("link", { name: "By another name" }).waitFor();
  expect(await page.getByRole("button", { name: /Acknowledge/ }).count()).toBe(2);
  await page.getByRole("link", { name: "Slow job queue" }).click();
  await page.waitForURL(`**/alerts/slow_job_queue_${today}`);

  await page.goto(`${server.url}/alerts/of_others_${today}`);
  const elsewhere = page.getByRole("link", { name: "Runbook at example.com", exact: true });
  await elsewhere.waitFor();
  expect(await elsewhere.getAttribute("href")).toBe("https://example.com/runbook");

  await page.goto(`${server.url}/alerts/astray_${today}`);
  await page.getByText("javascript:document.title='run'").waitFor();
  expect(await page.getByRole("link", { name: /Runbook|javascript/ }).count()).toBe(0);
  await context.close();
});

it("a runbook leads to others", async () => {
  const { page, context } = await open(browser);
  await page.goto(`${server.url}/runbooks/notifications_lost`);
  await page.locator(".markdown a").first().click();
  await page.waitForURL("**/runbooks/notifications_failing");
  await page.locator(".markdown").waitFor();
  await page.getByRole("link", { name: "Runbooks" }).click();
  const { count } = await server.rest<{ count: number }>("/runbooks");
  await expect.poll(() => page.locator(".runbooks a").count()).toBe(count);
  await page.goto(`${server.url}/runbooks/none`);
  await page.getByText("There is no runbook of this name.").waitFor();
  await page.getByRole("link", { name: "high_cpu_usage" }).waitFor();
  await context.close();
});

it("markup in a runbook stays text, and asks nobody", async () => {
  const { page, context, problems } = await open(browser, { size: "phone", scheme: "dark" });
  const markup = '<img src="http://127.0.0.1:1/x.png" onerror="document.title=\'run\'">';
  const markdown = `# ${markup}\n\n${markup}\n\n<script>document.title='run'</script>\n\n* ${markup} [l](javascript:document.title='run') ![i](http://127.0.0.1:1/y.png)\n\n    ${markup}${"x".repeat(300)}\n`;
  await page.route("**/runbooks/high_cpu_usage", (route) =>
    route.request().resourceType() === "document"
      ? route.continue()
      : route.fulfill({
          json: { success: true, data: { name: "high_cpu_usage", title: markup, markdown } },
        }),
  );
  const asked: string[] = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.goto(`${server.url}/runbooks/high_cpu_usage`);
  await page.locator(".markdown").getByText("<script>").waitFor();
  expect(await page.locator("main img, main script, main a").count()).toBe(0);
  expect(await page.title()).not.toBe("run");
  expect(asked.filter((url) => !url.startsWith(server.url))).toEqual([]);
  expect(await hindrances(page)).toEqual([]);
  expect(problems).toEqual([]);
  await context.close();
});

it("the link of a message leads to the login, and then to the runbook", async () => {
  const dir = mkdtempSync(join(tmpdir(), "llmwatch-web-"));
  const password = "correct horse battery";
  execFileSync(binary, ["users", "add", "ada", "--role", "viewer", "--data-dir", dir], { input: password });
  const guarded = await serve([], { dir, env: { LLMWATCH_SECURITY_API_AUTHENTICATION: "true" } });
  const { page, context } = await open(browser);
  await page.goto(`${guarded.url}/runbooks/low_disk_space`);
  await page.getByLabel("User name").fill("ada");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("heading", { name: "Runbooks / low_disk_space" }).waitFor();
  await page.locator(".markdown").waitFor();
  await context.close();
  await guarded.stop();
  rmSync(dir, { recursive: true, force: true });
});

import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { ahead, get } from "./api";

const asked = vi.fn<typeof fetch>();

beforeEach(() => {
  asked.mockReset();
  vi.stubGlobal("fetch", asked);
});

afterEach(() => {
  vi.unstubAllGlobals();
});

const answer = (status: number, body: unknown) =>
  Promise.resolve(new Response(JSON.stringify(body), { status }));

it("what was asked for ahead is asked for once, and read once", async () => {
  asked.mockImplementation(() => answer(200, { success: true, count: asked.mock.calls.length }));
  ahead("/alerts");
  expect(asked).toHaveBeenCalledOnce();
  expect(await get("/alerts")).toMatchObject({ count: 1 });
  expect(asked).toHaveBeenCalledOnce();
  expect(await get("/alerts")).toMatchObject({ count: 2 });
});

it("what was asked for ahead answers no other question", async () => {
  asked.mockImplementation(() => answer(200, { success: true }));
  ahead("/alerts");
  await get("/alerts", { query: { severity: "low" } });
  expect(asked).toHaveBeenCalledTimes(2);
  await get("/alerts");
});

it("a refusal of what was asked for ahead is told to whoever reads it", async () => {
  asked.mockImplementation(() =>
    answer(401, { success: false, error: { code: "unauthenticated", message: "log in" } }),
  );
  ahead("/session");
  // Nobody has read it while it failed; vitest fails a test for an unhandled rejection.
  await new Promise((done) => setTimeout(done));
  await expect(get("/session")).rejects.toMatchObject({ status: 401, message: "log in" });
});

it("what is wrong is told of a server that starts or is unhealthy", async () => {
  const problems = ["storage: no space left on device", "log_store: it is closed"];
  asked.mockImplementation(() => answer(503, { status: "unhealthy", services: {}, problems }));
  await expect(get("/health")).rejects.toMatchObject({ message: problems.join("; "), status: 503 });
});

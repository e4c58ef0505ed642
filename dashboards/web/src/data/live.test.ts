import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { connection } from "./connection";
import { follow } from "./live";

class FakeSource extends EventTarget {
  closed = false;
  onerror: ((event: Event) => void) | null = null;
  close() {
    this.closed = true;
  }
  tell(kind: string, data = "{}") {
    this.dispatchEvent(new MessageEvent(kind, { data }));
  }
}

let sources: FakeSource[];
let asked: string[];
let stop: () => void;
/** Ends the questions of the round under way, where they do not end at once. */
let answer: (() => void) | undefined;
let slow = false;

const newest = () => {
  const source = sources.at(-1);
  if (!source) throw new Error("no stream was opened");
  return source;
};

beforeEach(() => {
  vi.useFakeTimers();
  sources = [];
  asked = [];
  slow = false;
  stop = follow({
    client: {
      invalidateQueries: async (filter) => {
        asked.push(String(filter?.queryKey?.[0]));
        if (slow)
          await new Promise<void>((done) => {
            answer = done;
          });
      },
    },
    open: () => {
      const source = new FakeSource();
      sources.push(source);
      return source as unknown as EventSource;
    },
  });
});

afterEach(() => {
  stop();
  vi.useRealTimers();
});

describe("the stream", () => {
  it("is live from its first word on", () => {
    expect(connection.get().stream).not.toBe("live");
    newest().tell("hello");
    expect(connection.get().stream).toBe("live");
  });

  it("makes many events one round of questions", () => {
    newest().tell("hello");
    for (let i = 0; i < 50; i++) newest().tell("sample");
    newest().tell("alert", '{"id":"a_1"}');
    expect(asked).toEqual([]);
    vi.advanceTimersByTime(300);
    expect(asked.sort()).toEqual(["alerts", "metrics", "overview", "status"]);
  });

  it("lets slow questions end, and asks once more for what came meanwhile", async () => {
    slow = true;
    newest().tell("alert");
    await vi.advanceTimersByTimeAsync(300);
    expect(asked).toEqual(["alerts", "overview"]);
    for (let i = 0; i < 5; i++) {
      newest().tell("alert");
      await vi.advanceTimersByTimeAsync(300);
    }
    expect(asked).toEqual(["alerts", "overview"]);
    answer?.();
    await vi.advanceTimersByTimeAsync(300);
    expect(asked).toEqual(["alerts", "overview", "overview"]);
    answer?.();
    await vi.advanceTimersByTimeAsync(300);
    expect(asked.length).toBe(3);
  });

  it("that breaks is opened again, later each time, and what was missed is asked for", () => {
    newest().tell("hello");
    newest().onerror?.(new Event("error"));
    expect(connection.get().stream).toBe("cut");
    expect(newest().closed).toBe(true);
    vi.advanceTimersByTime(1000);
    expect(sources.length).toBe(2);
    newest().onerror?.(new Event("error"));
    vi.advanceTimersByTime(1999);
    expect(sources.length).toBe(2);
    vi.advanceTimersByTime(1);
    expect(sources.length).toBe(3);
    newest().tell("hello");
    vi.advanceTimersByTime(300);
    expect(connection.get().stream).toBe("live");
    expect(asked).toContain("alerts");
    expect(asked).toContain("metrics");
  });

  it("that is silent for too long counts as broken", () => {
    newest().tell("hello");
    vi.advanceTimersByTime(149_000);
    expect(connection.get().stream).toBe("live");
    vi.advanceTimersByTime(2000);
    expect(connection.get().stream).toBe("cut");
  });
});

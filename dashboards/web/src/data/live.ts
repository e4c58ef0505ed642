/**
 * The stream of events. While it is open the page changes when the server says so; while it is cut the page asks
 * every 30 seconds and says that it does.
 */
import type { QueryClient } from "@tanstack/react-query";
import { rest } from "../base";
import { connection } from "./connection";

export const pollEvery = 30_000;

/** A stream that was silent for so long is dead, whatever the socket believes: samples come each interval. */
const silence = 150_000;
const retryMost = 30_000;
/** Events closer together than this are answered by one round of questions. */
const gather = 250;

type Source = Pick<EventSource, "addEventListener" | "close"> & { onerror: ((event: Event) => void) | null };

interface Options {
  client: Pick<QueryClient, "invalidateQueries">;
  open?: (url: string) => Source;
}

/** Follows the stream until the returned function is called. */
export function follow({ client, open = (url) => new EventSource(url) }: Options): () => void {
  let source: Source | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let watchdog: ReturnType<typeof setTimeout> | undefined;
  let pending: ReturnType<typeof setTimeout> | undefined;
  let wait = 1000;
  let ended = false;
  const stale = new Set<string>();
  const rounds = new Map<string, { again: boolean }>();

  const refresh = (...keys: string[]) => {
    for (const key of keys) stale.add(key);
    pending ??= setTimeout(() => {
      pending = undefined;
      const round = [...stale];
      stale.clear();
      for (const key of round) void ask(key);
    }, gather);
  };
  // One round of a key at a time: a new one ends the questions under way, and those that take longer than samples are
  // apart would never be answered.
  const ask = async (key: string) => {
    const before = rounds.get(key);
    if (before) {
      before.again = true;
      return;
    }
    const round = { again: false };
    rounds.set(key, round);
    await client.invalidateQueries({ queryKey: [key] });
    rounds.delete(key);
    if (round.again && !ended) refresh(key);
  };
  const heard = () => {
    connection.answered();
    clearTimeout(watchdog);
    watchdog = setTimeout(cut, silence);
  };
  const cut = () => {
    connection.stream("cut");
    clearTimeout(watchdog);
    source?.close();
    source = undefined;
    clearTimeout(retry);
    retry = setTimeout(connect, wait);
    wait = Math.min(2 * wait, retryMost);
  };
  const connect = () => {
    source = open(rest("/events"));
    let greeted = false;
    source.addEventListener("hello", () => {
      heard();
      wait = 1000;
      connection.stream("live");
      // What happened while nobody listened is asked for once.
      if (greeted || retry !== undefined) refresh("metrics", "overview", "alerts", "logs", "status");
      greeted = true;
    });
    source.addEventListener("sample", () => {
      heard();
      refresh("metrics", "overview", "status");
    });
    source.addEventListener("alert", () => {
      heard();
      refresh("alerts", "overview");
    });
    source.onerror = cut;
  };
  connect();

  return () => {
    ended = true;
    clearTimeout(retry);
    clearTimeout(watchdog);
    clearTimeout(pending);
    source?.close();
  };
}

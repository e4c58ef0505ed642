import { useInfiniteQuery } from "@tanstack/react-query";
import { useMemo } from "react";
import { explain, Ready } from "../components/Ready";
import { get, type Query } from "../data/api";
import { counted } from "../data/format";
import type { Entry } from "../data/logs";
import { LogList } from "./LogList";

/** Entries at a time: few until the first are seen, then as many as the server gives. */
const firstPage = 300;
const nextPage = 1000;

/** What was logged until the question was asked, the newest first; older entries come as one scrolls. */
export function Found({ question }: { question: Query }) {
  const asked = useInfiniteQuery({
    // A list that is being read does not move: what is newer comes with a new question or by following.
    queryKey: ["search", "logs", question],
    queryFn: ({ pageParam, signal }) =>
      get("/logs/search", {
        query: { ...question, limit: pageParam === "" ? firstPage : nextPage, cursor: pageParam },
        signal,
      }),
    initialPageParam: "",
    getNextPageParam: (page) => page.next_cursor ?? undefined,
    staleTime: Number.POSITIVE_INFINITY,
  });
  const { data, error, hasNextPage, isFetching, isFetchNextPageError, fetchNextPage, refetch } = asked;
  const entries = useMemo(() => data?.pages.flatMap((p) => p.data as Entry[]) ?? [], [data]);
  const further = () => {
    if (hasNextPage && !isFetching && !isFetchNextPageError) void fetchNextPage();
  };
  return (
    <section className="panel" aria-label="Log entries">
      <Ready
        of={{ data, error: isFetchNextPageError ? null : error, refetch }}
        what="log entries"
        empty={() => entries.length === 0 && <Nothing />}
      >
        {() => (
          <LogList
            entries={entries}
            onEnd={further}
            end={
              isFetchNextPageError ? (
                <>
                  Could not load older entries: {explain(error)}.{" "}
                  <button type="button" className="button" onClick={() => void fetchNextPage()}>
                    Try again
                  </button>
                </>
              ) : hasNextPage ? (
                "Loading older entries…"
              ) : (
                `All ${counted(entries.length, "entry", "entries")}.`
              )
            }
          />
        )}
      </Ready>
    </section>
  );
}

const Nothing = () => (
  <>
    <strong>No entry fits.</strong>
    <span>Widen the range or remove a filter.</span>
  </>
);

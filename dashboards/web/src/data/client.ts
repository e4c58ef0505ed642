import { QueryClient } from "@tanstack/react-query";
import { ApiError } from "./api";

export const client = new QueryClient({
  defaultOptions: {
    queries: {
      // A refusal stays a refusal; what was not answered is asked for once more.
      retry: (failures, error) => failures < 1 && !(error instanceof ApiError && error.kind === "refused"),
      retryDelay: 1000,
      staleTime: 5000,
      gcTime: 120_000,
      // The page itself knows better than the browser whether llmwatch is there.
      networkMode: "always",
    },
    mutations: { networkMode: "always" },
  },
});

import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "happy-dom",
    include: ["src/**/*.test.{ts,tsx}"],
    // `make clock` tests at other times.
    setupFiles: process.env["CLOCK_SHIFT"] ? ["scripts/clock.mjs"] : [],
  },
});

import { defineConfig } from "vitest/config";

// Against the real binary in a real browser: one file after the other, because
// they measure time.
export default defineConfig({
  test: {
    environment: "node",
    include: ["e2e/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});

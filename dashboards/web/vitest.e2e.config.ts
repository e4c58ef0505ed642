import { defineConfig } from "vitest/config";

// Against the real binary in a real browser: one file after the other, because
// they measure time.
export default defineConfig({
  test: {
    environment: "node",
    include: ["e2e/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 60_000,
    // What is awaited comes with a sample, a poll or a rendering. A second, vitest's own
    // limit, is less than samples are apart on a machine that is busy.
    expect: { poll: { timeout: 30_000, interval: 50 } },
    hookTimeout: 120_000,
  },
});

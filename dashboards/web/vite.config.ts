import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// Where `npm run dev` finds a running llmwatch.
const backend = process.env["LLMWATCH_URL"] ?? "http://127.0.0.1:5000";

export default defineConfig({
  // Relative, so that the page works under any prefix.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "dist/app",
    target: "es2022",
    // Data URLs would be forbidden by the page's own policy for scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: { "/api": backend, "/prometheus": backend },
  },
});

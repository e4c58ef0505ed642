import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// Where `npm run dev` finds a running llmwatch.
const backend = process.env["LLMWATCH_URL"] ?? "http://127.0.0.1:5000";

/** Has the browser fetch the code that draws together with the entry, which asks for it no sooner than it runs. */
const preloadDraw: Plugin = {
  name: "preload-draw",
  transformIndexHtml: {
    order: "post",
    handler: (html, { bundle = {} }) => {
      const draw = Object.values(bundle).find((file) => file.type === "chunk" && file.name === "draw");
      if (draw?.type !== "chunk") return [];
      return [draw.fileName, ...draw.imports]
        .filter((name) => !html.includes(name))
        .map((name) => ({
          tag: "link",
          attrs: { rel: "modulepreload", crossorigin: true, href: `./${name}` },
          injectTo: "head",
        }));
    },
  },
};

export default defineConfig({
  // Relative, so that the page works under any prefix.
  base: "./",
  plugins: [react(), preloadDraw],
  build: {
    outDir: "dist/app",
    target: "es2022",
    // Data URLs would be forbidden by the page's own policy for scripts and styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    rolldownOptions: {
      output: {
        // The first view comes in two scripts: what asks for its data, and everything that draws it.
        codeSplitting: {
          groups: [
            { name: "main", test: /src\/main\.ts$/, priority: 1 },
            { name: "draw", test: /src\/draw\.tsx$/ },
          ],
        },
      },
    },
  },
  server: {
    proxy: { "/api": backend, "/prometheus": backend },
  },
});

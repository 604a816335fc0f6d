import { defineConfig } from "vite";

export default defineConfig({
  base: "./",
  build: {
    outDir: "../src/duologue/server/static",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own, so a strict Content-Security-Policy needs no `data:`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  worker: { format: "es" },
  server: {
    proxy: { "/v1": { target: "http://127.0.0.1:8000", ws: true }, "/readyz": "http://127.0.0.1:8000" },
  },
});

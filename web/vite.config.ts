import { defineConfig } from "vite";

const SERVER = "http://127.0.0.1:8710";

export default defineConfig({
  base: "./",
  resolve: { alias: { "duologue-client": new URL("client/src/index.ts", import.meta.url).pathname } },
  build: {
    outDir: "../src/duologue/server/static",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own, so a strict Content-Security-Policy needs no `data:`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The page to talk on, and the operator's.
    rolldownOptions: { input: ["index.html", "ops/index.html"] },
  },
  worker: { format: "es" },
  // `npm run dev` beside `duologue serve`: the server lets in pages of its own origin only.
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/readyz", "/healthz", "/ops/state"].map((path) => [
        path,
        { target: SERVER, ws: true, changeOrigin: true, headers: { origin: SERVER } },
      ]),
    ),
  },
});

import { defineConfig, type Plugin } from "vite";

const SERVER = "http://127.0.0.1:8710";

export default defineConfig({
  base: "./",
  plugins: [serviceWorker()],
  resolve: { alias: { "duologue-client": new URL("client/src/index.ts", import.meta.url).pathname } },
  build: {
    outDir: "../src/duologue/server/static",
    emptyOutDir: true,
    target: "es2022",
    // Everything is a file of its own, so a strict Content-Security-Policy needs no `data:`.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    // The page to talk on, the operator's, and what opens the first while the server is away. That one has its scope
    // from its address.
    rolldownOptions: {
      input: { index: "index.html", ops: "ops/index.html", sw: "src/sw/sw.ts" },
      output: { entryFileNames: ({ name }) => (name === "sw" ? "sw.js" : "assets/[name]-[hash].js") },
    },
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

/** Fills into `sw.js` the files that the page of this build opens with, and a name for it. */
function serviceWorker(): Plugin {
  return {
    name: "service-worker",
    apply: "build",
    generateBundle: {
      order: "post",
      handler(_options, bundle) {
        const [page, worker] = [bundle["index.html"], bundle["sw.js"]];
        if (page?.type !== "asset" || worker?.type !== "chunk") return;
        const html = `${page.source}`;
        const named = [...html.matchAll(/(?:src|href)="(\.\/[^"]+)"/g)].map(([, path]) => path);
        worker.code = worker.code
          .replaceAll("__SHELL__", JSON.stringify(["./", ...new Set(named)]))
          .replaceAll("__BUILD__", JSON.stringify(nameOf(html)));
      },
    },
  };
}

/** FNV-1a, of 32 bits: the same page has the same name. */
function nameOf(text: string): string {
  let hash = 0x811c9dc5;
  for (const letter of text) hash = Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, "0");
}

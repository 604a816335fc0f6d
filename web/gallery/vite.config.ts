import { defineConfig } from "vite";

/** The page in each of its states, played by an actor: for those who work on it, and never built into the product. */
export default defineConfig({
  root: new URL(".", import.meta.url).pathname,
  base: "./",
  resolve: { alias: { "duologue-client": new URL("../client/src/index.ts", import.meta.url).pathname } },
  build: { outDir: "dist", emptyOutDir: true, target: "es2022", assetsInlineLimit: 0 },
  worker: { format: "es" },
});

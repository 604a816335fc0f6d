import { defineConfig, type Plugin } from "vite";

/**
 * The package finds its own scripts beside itself: `new URL("./name.js", import.meta.url)`, which a browser
 * understands and every bundler copies. Vite writes it in a roundabout way that no other bundler takes.
 */
const BESIDE = /new URL\("\.?\/?([\w.-]+\.js)", import\.meta\.url\)/g;
const ROUNDABOUT = /new URL\(\s*(?:\/\*.*?\*\/\s*)?(new URL\("[^"]+", import\.meta\.url\))\.href,[^)]*\)/g;

function besideItself(): Plugin {
  return {
    name: "beside-itself",
    enforce: "post",
    generateBundle(_options, bundle) {
      for (const file of Object.values(bundle)) {
        if (file.type !== "chunk") continue;
        file.code = file.code.replace(ROUNDABOUT, "$1").replace(BESIDE, 'new URL("./$1", import.meta.url)');
      }
    },
  };
}

/** Makes the npm package: one ES module, and beside it the scripts that run on threads of their own. */
export default defineConfig({
  root: new URL(".", import.meta.url).pathname,
  base: "./",
  plugins: [besideItself()],
  build: {
    outDir: "dist",
    emptyOutDir: true,
    target: "es2022",
    minify: false,
    lib: { entry: "src/index.ts", formats: ["es"], fileName: "index" },
  },
  worker: { format: "es", rolldownOptions: { output: { entryFileNames: "[name].js" } } },
});

import { resolve } from "node:path";
import { defineConfig } from "vite";

/** The service that `vite dev` passes requests on to. */
const service = process.env.LEVEE_URL ?? "http://localhost:4000";
const pages = ["todo", "editor", "presence", "dice"];

export default defineConfig({
  base: "/examples/",
  build: {
    // The service embeds what is there: see `build.rs`.
    outDir: resolve(import.meta.dirname, "../dist/examples"),
    emptyOutDir: true,
    target: "es2023",
    // The look relies on `light-dark()`, which browsers have had since May 2024.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Fluid with a tree is larger than Vite expects of a page.
    chunkSizeWarningLimit: 2000,
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            // Fluid loads its summarizer when one is elected, which may be without a network.
            { name: "runtime", test: /@fluidframework\/container-runtime\// },
          ],
        },
      },
      input: Object.fromEntries(
        pages.map((page) => [page, resolve(import.meta.dirname, page, "index.html")]),
      ),
    },
  },
  server: {
    // The pages take their own origin for the service.
    proxy: {
      "^/(socket|documents|deltas|repos)/": { target: service, ws: true, changeOrigin: true },
    },
  },
});

import { resolve } from "node:path";
import { defineConfig } from "vite";

/** The service that `vite dev` passes requests on to. */
const service = process.env.LEVEE_URL ?? "http://localhost:4000";

export default defineConfig({
  base: "/admin/",
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    // The service embeds what is there: see `build.rs`.
    outDir: resolve(import.meta.dirname, "../dist/admin"),
    emptyOutDir: true,
    target: "es2023",
    // The look relies on `light-dark()`, which browsers have had since May 2024.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // An inlined font would be refused by the page's Content-Security-Policy.
    assetsInlineLimit: 0,
  },
  server: { proxy: { "^/(api|auth)": { target: service, changeOrigin: true } } },
});

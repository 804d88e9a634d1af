import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { Tally } from "../testkit/src/tally.ts";

const driver = resolve(import.meta.dirname, "../driver/src");

export default defineConfig({
  resolve: {
    // The packages' names lead to their builds; the tests read the sources.
    alias: {
      "levee-driver": resolve(driver, "index.ts"),
      "#websocket": resolve(driver, "websocket.node.ts"),
    },
  },
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/build.ts"],
    setupFiles: ["levee-testkit/navigator"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", new Tally()],
    // Fluid prints its telemetry of errors that a test provokes; it is of use where a test fails.
    silent: "passed-only",
  },
});

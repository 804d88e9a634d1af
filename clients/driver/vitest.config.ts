import { resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { Tally } from "../testkit/src/tally.ts";

export default defineConfig({
  resolve: {
    // The package's own name for its WebSocket leads to the build; the tests read the sources.
    alias: { "#websocket": resolve(import.meta.dirname, "src/websocket.node.ts") },
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
    silent: "passed-only",
  },
});

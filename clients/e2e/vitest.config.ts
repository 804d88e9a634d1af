import { Tally } from "../testkit/src/tally.ts";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
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

import { defineConfig } from "vitest/config";
import { Tally } from "./src/tally.ts";

export default defineConfig({
  test: {
    include: ["tests/**/*.test.ts"],
    setupFiles: ["src/navigator.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    reporters: ["default", new Tally()],
    // Fluid prints its telemetry of errors that a test provokes; it is of use where a test fails.
    silent: "passed-only",
  },
});

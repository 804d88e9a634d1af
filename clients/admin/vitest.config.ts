import { defineConfig } from "vitest/config";
import { Tally } from "../testkit/src/tally.ts";

export default defineConfig({
  test: { include: ["src/**/*.test.ts"], reporters: ["default", new Tally()] },
});

import { defineConfig } from "vitest/config";
import { Tally } from "../testkit/src/tally.ts";

export default defineConfig({
  test: { include: ["shared/**/*.test.ts"], reporters: ["default", new Tally()] },
});

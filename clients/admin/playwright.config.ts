import { execFileSync } from "node:child_process";
import { resolve } from "node:path";
import { defineConfig } from "@playwright/test";

const script = resolve(import.meta.dirname, "../chromium.sh");
const chromium = execFileSync(script, { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

export default defineConfig({
  testDir: "tests",
  outputDir: "test-results",
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 30_000 },
  forbidOnly: true,
  reporter: [["list"], ["../examples/tests/tally.ts"]],
  use: {
    browserName: "chromium",
    headless: true,
    viewport: { width: 1180, height: 800 },
    actionTimeout: 30_000,
    navigationTimeout: 60_000,
    trace: "retain-on-failure",
    launchOptions: {
      executablePath: chromium.trim(),
      timeout: 120_000,
      // Nothing of the browser's own reaches for a network that may not be there.
      args: [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
      ],
    },
  },
});

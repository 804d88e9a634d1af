// Some tests look at the package as it is published, and so at its build.

import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

/** Vitest calls it once, before the first test. */
export default function setup(): void {
  execFileSync("npm", ["run", "build"], {
    cwd: resolve(import.meta.dirname, ".."),
    stdio: ["ignore", "ignore", "inherit"],
  });
}

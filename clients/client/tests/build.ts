// Some tests run the packages as they are published: in processes of their own, from their builds.

import { execFileSync } from "node:child_process";
import { resolve } from "node:path";

/** Vitest calls it once, before the first test. */
export default function setup(): void {
  const workspaces = ["levee-driver", "levee-client"].flatMap((name) => ["-w", name]);
  execFileSync("npm", ["run", "build", ...workspaces], {
    cwd: resolve(import.meta.dirname, "../.."),
    stdio: ["ignore", "ignore", "inherit"],
  });
}

// The first program of the README, run as it stands with the built package.

import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { Service } from "levee-testkit/service";
import { expect, test } from "vitest";

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");
const NAVIGATOR = "globalThis.navigator ??= { userAgent: 'Node.js' };";

test("the README's first program works", async () => {
  const readme = await readFile(join(root, "README.md"), "utf8");
  const program = /```ts\n(.*?)```/s.exec(readme)?.[1];
  if (program === undefined) throw new Error("the README has no program");
  // Inside the package, where the names that it imports are found.
  const folder = await mkdtemp(join(root, ".first-program-"));
  const service = await Service.start();
  try {
    await writeFile(join(folder, "first.mjs"), program);
    const { stdout, stderr } = await run(
      process.execPath,
      ["--import", `data:text/javascript,${encodeURIComponent(NAVIGATOR)}`, "first.mjs"],
      { cwd: folder, env: { ...process.env, LEVEE_URL: service.url }, timeout: 45_000 },
    );
    expect(stdout.trim().split("\n")).toEqual([
      "Bob reads: [ 'Hello from Ada' ]",
      "Ada reads: [ 'Hello from Ada', 'Hello from Bob' ]",
      "Present: [ 'Ada', 'Bob' ]",
    ]);
    expect(stderr).toBe("");
  } finally {
    await service.stop();
    await rm(folder, { recursive: true });
  }
});

// The package as it would be published.

import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import {
  type BundleSize,
  bundleSize,
  checkTypes,
  packedFiles,
  publintMessages,
} from "levee-testkit/package";
import { expect, test, vi } from "vitest";

// The checkers are compilers: on a busy machine each one takes its time.
vi.setConfig({ testTimeout: 180_000 });

const run = promisify(execFile);
const root = join(import.meta.dirname, "..");

test("it contains its sources, what they are built to, and what a reader needs", async () => {
  const sources = await readdir(join(root, "src"));
  const built = sources.flatMap((name) => {
    const module = `esm/${name.replace(/\.ts$/, "")}`;
    return [`${module}.js`, `${module}.js.map`, `${module}.d.ts`, `${module}.d.ts.map`];
  });
  expect(await packedFiles(root)).toEqual(
    [
      "CHANGELOG.md",
      "LICENSE",
      "README.md",
      "package.json",
      ...sources.map((name) => `src/${name}`),
      ...built,
    ].sort(),
  );
});

test("publint finds nothing", async () => {
  expect(await publintMessages(root)).toEqual([]);
});

test("TypeScript programs can import it", async () => {
  await checkTypes(root);
});

test("its public API is the one on record", async () => {
  // Fails where `npm run docs` would change the report.
  const { stdout } = await run("npx", ["--no", "api-extractor", "run"], { cwd: root });
  expect(stdout).toContain("completed successfully");
});

test("its changelog tells of its version", async () => {
  const { version } = JSON.parse(await readFile(join(root, "package.json"), "utf8"));
  const changelog = await readFile(join(root, "CHANGELOG.md"), "utf8");
  expect(/^## (.*)$/m.exec(changelog)?.[1]).toBe(version);
});

test("its size is the one on record", async () => {
  const recorded: BundleSize = JSON.parse(await readFile(join(root, "bundle-size.json"), "utf8"));
  const size = await bundleSize(join(root, "esm/index.js"), ["@fluidframework/*"]);
  console.log("bundle, minified and compressed, bytes:", size);
  // Fluid is the app's own; levee-driver and what it brings are in. A tenth more is growth that
  // somebody decides on, by recording it.
  expect(size.entry).toBeGreaterThan(0);
  expect(size.msgpack).toBeGreaterThan(0);
  expect(size.entry).toBeLessThan(recorded.entry * 1.1);
  expect(size.msgpack).toBeLessThan(recorded.msgpack * 1.1);
});

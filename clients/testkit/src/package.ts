// A package as it would be published: what is in it, whether others can import it, how large it is.

import { execFile } from "node:child_process";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { publint } from "publint";
import { formatMessage } from "publint/utils";

const run = promisify(execFile);
const binaries = resolve(import.meta.dirname, "../../node_modules/.bin");

/** What a package costs in a browser's bundle: bytes, minified and compressed. */
export interface BundleSize {
  /** Loaded with the page. */
  readonly entry: number;
  /** Loaded with the first msgpack connection. */
  readonly msgpack: number;
}

/** The files that `npm pack` would put in, sorted. */
export async function packedFiles(root: string): Promise<string[]> {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: root });
  const [pack] = JSON.parse(stdout) as { files: { path: string }[] }[];
  if (pack === undefined) throw new Error("npm pack said nothing");
  return pack.files.map(({ path }) => path).sort();
}

/** What publint has to say of the package, suggestions included. */
export async function publintMessages(root: string): Promise<string[]> {
  const { messages, pkg } = await publint({ pkgDir: root, level: "suggestion", strict: true });
  return messages.map((message) => formatMessage(message, pkg, { color: false }) ?? message.code);
}

/** Fails with what attw prints if a TypeScript program cannot import the package as ESM. */
export async function checkTypes(root: string): Promise<void> {
  const attw = resolve(binaries, "attw");
  const args = ["--pack", root, "--profile", "esm-only", "--no-color", "--format", "ascii"];
  await run(attw, args, { cwd: root }).catch((error: { stdout?: string; message: string }) => {
    throw new Error(`attw: ${error.stdout ?? error.message}`);
  });
}

/**
 * Bundles what `entry` exports for a browser. What matches `external`, the packages that an app has
 * anyway, stays out.
 */
export async function bundleSize(entry: string, external: readonly string[]): Promise<BundleSize> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    splitting: true,
    minify: true,
    write: false,
    metafile: true,
    platform: "browser",
    format: "esm",
    target: "es2022",
    outdir: "bundle",
    external: [...external],
    legalComments: "none",
  });
  const size = { entry: 0, msgpack: 0 };
  for (const [name, { inputs }] of Object.entries(metafile.outputs)) {
    const file = outputFiles.find(({ path }) => path.endsWith(name));
    if (file === undefined) throw new Error(`esbuild did not write ${name}`);
    const isMsgpack = Object.keys(inputs).some((path) => path.includes("/msgpackr/"));
    size[isMsgpack ? "msgpack" : "entry"] += gzipSync(file.contents, { level: 9 }).length;
  }
  return size;
}

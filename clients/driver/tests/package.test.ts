// The package as it is published.

import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { Service } from "levee-testkit/service";
import { describe, expect, test } from "vitest";

const run = promisify(execFile);
const root = resolve(import.meta.dirname, "..");
const bin = (name: string) => resolve(root, "../node_modules/.bin", name);

async function text(path: string): Promise<string> {
  return readFile(resolve(root, path), "utf8");
}

test("its metadata and types are right for those who import it", async () => {
  const published = await run(bin("publint"), ["--strict"], { cwd: root });
  expect(published.stdout).toContain("All good!");
  // Only ES modules are published, for resolvers that know `exports`.
  const types = await run(bin("attw"), ["--pack", ".", "--profile", "esm-only", "-f", "json"], {
    cwd: root,
    maxBuffer: 64 << 20,
  });
  expect(JSON.parse(types.stdout).analysis.entrypoints["."].resolutions).toMatchObject({
    "node16-esm": { resolution: { isJson: false, isTypeScript: true } },
    bundler: { resolution: { isTypeScript: true } },
  });
});

test("the tarball holds the build with its sources, and nothing else", async () => {
  const { stdout } = await run("npm", ["pack", "--dry-run", "--json"], { cwd: root });
  const [{ files }] = JSON.parse(stdout) as [{ files: { path: string }[] }];
  const sources = await readdir(resolve(root, "src"), { recursive: true });
  const modules = sources.filter((path) => path.endsWith(".ts"));
  const built = modules.flatMap((path) => {
    const module = `esm/${path.replace(/\.ts$/, "")}`;
    return [".js", ".js.map", ".d.ts", ".d.ts.map"].map((suffix) => `${module}${suffix}`);
  });
  const others = ["CHANGELOG.md", "LICENSE", "README.md", "package.json"];
  expect(files.map(({ path }) => path).sort()).toEqual(
    [...built, ...others, ...modules.map((path) => `src/${path}`)].sort(),
  );
  expect(await text("LICENSE")).toBe(await text("../../LICENSE"));
});

test("the README's first program runs as it stands", async () => {
  const [, program] = /```js\n([\s\S]*?)```/.exec(await text("README.md")) ?? [];
  const service = await Service.start();
  try {
    const running = run(process.execPath, ["--input-type=module", "-e", program ?? ""], {
      cwd: root,
      env: { ...process.env, LEVEE_URL: service.url },
      timeout: 30_000,
    });
    expect((await running).stdout).toBe("the second container sees 4\n");
  } finally {
    await service.stop();
  }
});

test("its public API is the one in the report; after a change: npm run docs", async () => {
  const { stdout } = await run(bin("api-extractor"), ["run"], { cwd: root });
  expect(stdout).toContain("API Extractor completed successfully");
});

test("everything that the original exports is there", async () => {
  const report = await text("api/levee-driver.api.md");
  const missing = originals.filter(
    (name) => !new RegExp(`^export .*\\b${name}\\b`, "m").test(report),
  );
  expect(missing).toEqual([]);
});

const originals = [
  ["isDebugEnabled", "LeveeDebugLogger", "NackErrorType", "normalizeConnectedResponse"],
  ["normalizeKeys", "normalizeOpPayload", "GitManager", "LeveeDeltaConnection"],
  ["LeveeDeltaStorageService", "LeveeDocumentService", "LeveeDocumentServiceFactory"],
  ["LeveeStorageService", "RestWrapper", "RestError", "InsecureLeveeTokenProvider"],
  ["RemoteLeveeTokenProvider", "deriveSocketUrl", "LeveeUrlResolver", "TokenProvider"],
  ["ConnectedResponse", "DeltaStorageResponse", "DisconnectReason", "DocumentMessageInput"],
  ["DocumentVersion", "GitBlob", "GitCommit", "GitTree", "GitTreeEntry", "LeveeConfig"],
  ["LeveeResolvedUrl", "LeveeTokenClaims", "LeveeUser", "NackResponse", "SerializationFormat"],
  ["ServiceConfiguration", "GitCreateCommitRequest", "GitCreateTreeEntry", "GitCreateTreeRequest"],
].flat();

describe("in a browser's bundle", () => {
  test("it has not grown beyond what is recorded", async () => {
    const { outputFiles, metafile } = await build({
      entryPoints: [resolve(root, "esm/index.js")],
      bundle: true,
      splitting: true,
      minify: true,
      format: "esm",
      platform: "browser",
      outdir: "bundle",
      write: false,
      metafile: true,
    });
    const sizes = { entry: 0, msgpack: 0 };
    for (const { path, contents } of outputFiles) {
      const { inputs } = Object.entries(metafile.outputs).find(([name]) =>
        path.endsWith(name),
      )?.[1] ?? {
        inputs: {},
      };
      const part = Object.keys(inputs).some((name) => name.includes("msgpackr"))
        ? "msgpack"
        : "entry";
      sizes[part] += gzipSync(contents, { level: 9 }).length;
    }
    console.log("bundle, minified and compressed, bytes:", sizes);
    const recorded = JSON.parse(await text("bundle-size.json")) as typeof sizes;
    // A tenth more is growth that somebody decides on, by recording it.
    expect(sizes.entry).toBeLessThan(recorded.entry * 1.1);
    expect(sizes.msgpack).toBeLessThan(recorded.msgpack * 1.1);
    expect(Object.keys(metafile.inputs).some((name) => /node_modules\/ws\//.test(name))).toBe(
      false,
    );
    expect(Object.keys(metafile.inputs).some((name) => name.includes("@fluidframework"))).toBe(
      false,
    );
  });
});

import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { defineConfig } from "vitest/config";
import { Tally } from "../testkit/src/tally.ts";

const driver = resolve(import.meta.dirname, "../driver/src");

// The packages' names lead to their builds; the tests read the sources.
const alias = [
  { find: "@tylerbu/levee-client", replacement: resolve(import.meta.dirname, "src/index.ts") },
  { find: "levee-driver", replacement: resolve(driver, "index.ts") },
  { find: "#websocket", replacement: resolve(driver, "websocket.node.ts") },
];

/** The oldest Fluid that the package supports, and beside it the packages that it is made of. */
const LOW = "fluid-framework-low";
const modules = resolve(import.meta.dirname, "../node_modules", LOW, "node_modules");

/** Leads everything of Fluid's, in the packages and in their tests, to the oldest version. */
const oldestFluid = [
  { find: /^fluid-framework(?=\/|$)/, replacement: LOW },
  ...[
    "container-definitions",
    "container-loader",
    "core-interfaces",
    "driver-definitions",
    "fluid-static",
  ].flatMap((name) => entriesOf(`@fluidframework/${name}`)),
];

/** The entry points of a package of the oldest version, as the file that each one is. */
function entriesOf(name: string) {
  const folder = join(modules, name);
  const { exports } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  return Object.keys(exports).flatMap((entry) => {
    const file: string | undefined = exports[entry].import?.default;
    const find = new RegExp(`^${name}${entry.slice(1)}$`);
    return file === undefined ? [] : [{ find, replacement: join(folder, file) }];
  });
}

const shared = {
  setupFiles: ["levee-testkit/navigator"],
  globalSetup: ["tests/build.ts"],
  pool: "forks" as const,
  testTimeout: 60_000,
  hookTimeout: 60_000,
};

export default defineConfig({
  test: {
    projects: [
      {
        resolve: { alias },
        test: {
          name: "newest Fluid",
          include: ["tests/**/*.test.ts"],
          env: { FLUID: "2.113.1" },
          ...shared,
        },
      },
      {
        resolve: { alias: [...alias, ...oldestFluid] },
        test: {
          name: "oldest Fluid",
          include: ["tests/{documents,versions,presence,restart}.test.ts"],
          env: { FLUID: "2.81.1" },
          ...shared,
        },
      },
    ],
    maxWorkers: 2,
    reporters: ["default", new Tally()],
    // Fluid prints its telemetry of errors that a test provokes; it is of use where a test fails.
    silent: "passed-only",
  },
});

// Starts, stops and kills the service under test: the real binary, on a free port of the loopback
// address, with a data directory of its own.

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type Target, target } from "./target.ts";
import { pause, until } from "./wait.ts";

export interface Tenant {
  readonly id: string;
  readonly key: string;
}

/** The tenants of `levee serve --dev`. Tinylicious takes any. */
export const tenants = {
  fluid: { id: "fluid", key: "dev-tenant-secret-key" },
  tinylicious: { id: "tinylicious", key: "12345" },
  local: { id: "local", key: "any-key-an-app-made-up" },
} as const satisfies Record<string, Tenant>;

const OUTPUT_LIMIT = 64 * 1024;

/** Where a service is reached: itself, or a proxy before it. */
export interface Endpoint {
  readonly url: string;
}

export class Service implements Endpoint {
  readonly port: number;
  readonly #data: string;
  readonly #config: string;
  #child: ChildProcess | undefined;
  #output = "";

  private constructor(port: number, data: string, config: string) {
    this.port = port;
    this.#data = data;
    this.#config = config;
  }

  /** Starts the service on fresh data; `config` is the text of its file, for Levee. */
  static async start(config = ""): Promise<Service> {
    const service = new Service(
      await freePort(),
      await mkdtemp(join(tmpdir(), `${target}-e2e-data-`)),
      config,
    );
    await service.resume();
    return service;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get socketUrl(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  /** What the process has printed, the last part of it. */
  get output(): string {
    return this.#output;
  }

  /** Starts the process again, on the port and the data it had. */
  async resume(): Promise<void> {
    if (this.#child !== undefined) throw new Error("the service runs already");
    await writeFile(configFile(this.#data), this.#config);
    const { command, args, env } = commandLine(target, this.port, this.#data);
    const child = spawn(command, args, {
      cwd: this.#data,
      env: { ...process.env, NODE_OPTIONS: "", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_LIMIT);
      });
    }
    child.once("error", (error) => {
      this.#output += `\n${error.message}`;
    });
    await until(() => this.#answers(), {
      what: `a listening ${target}`,
      timeoutMs: 30_000,
      seen: () => this.#output.slice(-2000),
    });
  }

  /** SIGKILL: nothing of the process's own is run any more. */
  async kill(): Promise<void> {
    await this.#end("SIGKILL");
  }

  /** SIGTERM, and the exit code the process answers with. */
  async terminate(): Promise<number | null> {
    return this.#end("SIGTERM");
  }

  /** Ends the process and removes its data. Prints what it said if it ended by itself. */
  async stop(): Promise<void> {
    const crashed = this.#child?.exitCode ?? null;
    await this.kill();
    await rm(this.#data, { recursive: true, force: true });
    if (crashed !== null) {
      throw new Error(`${target} ended by itself with ${crashed}:\n${this.#output.slice(-4000)}`);
    }
  }

  async #end(signal: "SIGKILL" | "SIGTERM"): Promise<number | null> {
    const child = this.#child;
    if (child === undefined) return null;
    this.#child = undefined;
    if (child.exitCode === null && child.signalCode === null) {
      const exit = once(child, "exit");
      child.kill(signal);
      await exit;
    }
    return child.exitCode;
  }

  async #answers(): Promise<boolean> {
    const child = this.#child;
    if (child === undefined || child.exitCode !== null) {
      throw new Error(`${target} did not start:\n${this.#output.slice(-4000)}`);
    }
    try {
      const response = await fetch(`${this.url}/health`);
      await response.body?.cancel();
      return true;
    } catch {
      await pause(30);
      return false;
    }
  }
}

function configFile(data: string): string {
  return join(data, "levee.toml");
}

interface CommandLine {
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Record<string, string>;
}

function commandLine(target: Target, port: number, data: string): CommandLine {
  switch (target) {
    case "levee":
      return {
        command: leveeBinary(),
        args: [
          ...["serve", "--dev", "--listen", `127.0.0.1:${port}`, "--data", join(data, "levee")],
          ...["--config", configFile(data)],
        ],
        env: {},
      };
    case "tinylicious":
      return {
        command: process.execPath,
        args: [createRequire(import.meta.url).resolve("tinylicious/dist/index.js")],
        env: { PORT: String(port), storage: join(data, "git") },
      };
  }
}

/** `LEVEE_BIN`, or what Cargo built last. That there is none fails the suite: it never skips. */
function leveeBinary(): string {
  const named = process.env.LEVEE_BIN;
  const root = resolve(import.meta.dirname, "../../..");
  const candidates = named
    ? [resolve(named)]
    : ["release", "debug"].map((profile) => join(root, "target", profile, "levee"));
  const found = candidates.find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error(`no levee binary at ${candidates.join(" or ")}: cargo build --release`);
  }
  return found;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

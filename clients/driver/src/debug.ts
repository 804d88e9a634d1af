// A log for whoever looks for a fault in an app; off unless it is asked for.

/**
 * Whether debug output is on: as the configuration says, or else by the local storage entry or the
 * environment variable `LEVEE_DEBUG`.
 */
export function isDebugEnabled(configDebug?: boolean): boolean {
  if (configDebug !== undefined) return configDebug;
  const { localStorage, process } = globalThis as {
    readonly localStorage?: { getItem(key: string): string | null };
    readonly process?: { readonly env?: Record<string, string | undefined> };
  };
  try {
    const set = localStorage?.getItem("LEVEE_DEBUG") ?? process?.env?.LEVEE_DEBUG;
    return set === "1" || set === "true";
  } catch {
    // A page without access to storage throws on the mere look at it.
    return false;
  }
}

/** Writes to the console, with the name of a component. Never writes tokens or contents of bodies. */
export class LeveeDebugLogger {
  readonly #component: string;
  readonly #enabled: boolean;

  constructor(component: string, enabled?: boolean) {
    this.#component = component;
    this.#enabled = isDebugEnabled(enabled);
  }

  log(message: string, ...args: unknown[]): void {
    if (this.#enabled) console.debug(`[levee:${this.#component}] ${message}`, ...args);
  }

  logRequest(method: string, url: string, body?: unknown): void {
    if (this.#enabled) this.log(`→ ${method} ${url}${sizeOf(body)}`);
  }

  logResponse(method: string, url: string, status: number, body?: unknown): void {
    if (this.#enabled) this.log(`← ${status} ${method} ${url}${sizeOf(body)}`);
  }
}

function sizeOf(body: unknown): string {
  if (body === undefined) return "";
  const text = typeof body === "string" ? body : (JSON.stringify(body) ?? "");
  return ` (${text.length} characters)`;
}

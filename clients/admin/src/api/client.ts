// How the page talks to its service: JSON over `fetch`, with the session in a cookie that scripts
// cannot read, and the CSRF token that proves that this page sends a request and no other site's.

/** Why a call was not done. */
export class ApiError extends Error {
  /** HTTP status; 0 when no answer came. */
  readonly status: number;
  /** Machine-readable; empty when the answer had none. */
  readonly code: string;
  /** The service has no such route: another version of it, or one that is not built in. */
  readonly isAbsent: boolean;

  constructor(status: number, code: string, message: string, isAbsent = false) {
    super(message);
    this.name = "ApiError";
    this.status = status;
    this.code = code;
    this.isAbsent = isAbsent;
  }
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";

/** Query parameters; `undefined` and empty ones are left out. */
export type Query = Readonly<Record<string, string | number | undefined>>;

let csrf: string | undefined;
let onSessionEnd: () => void = () => {};

/** Sets what unsafe calls are proved with; `undefined` after signing out. */
export function useCsrf(token: string | undefined): void {
  csrf = token;
}

/** Sets what happens when the service does not know the session any more. */
export function whenSessionEnds(act: () => void): void {
  onSessionEnd = act;
}

/** A path out of segments, each encoded, and a query. */
export function path(segments: readonly string[], query: Query = {}): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  const search = new URLSearchParams(given.map(([name, value]) => [name, String(value)]));
  const inside = segments.map(encodeURIComponent).join("/");
  return search.size === 0 ? `/api/${inside}` : `/api/${inside}?${search}`;
}

/**
 * Calls the service and answers the body.
 *
 * @throws ApiError whatever goes wrong, except that an abort stays an `AbortError`.
 */
export async function call<T>(
  method: Method,
  url: string,
  options: { body?: unknown; signal?: AbortSignal | undefined } = {},
): Promise<T> {
  const headers: Record<string, string> = { accept: "application/json" };
  if (options.body !== undefined) headers["content-type"] = "application/json";
  if (method !== "GET" && csrf !== undefined) headers["x-csrf-token"] = csrf;
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, {
      method,
      headers,
      body: options.body === undefined ? null : JSON.stringify(options.body),
      signal: options.signal ?? null,
    });
    text = await response.text();
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "The service cannot be reached.");
  }
  const body = parse(text);
  if (response.ok && body !== undefined) return body as T;
  const fault = failure(response, body);
  if (fault.status === 401 && fault.code === "unauthorized") onSessionEnd();
  throw fault;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function failure(response: Response, body: unknown): ApiError {
  const { status } = response;
  const error = field(body, "error");
  const code = field(error, "code");
  const message = field(error, "message");
  if (typeof code === "string" && typeof message === "string") {
    return new ApiError(status, code, inWords(response, code, message));
  }
  // Faults of the transport have another shape than those of a route; 404 without a code is one.
  const isAbsent = status === 404 || status === 405 || status === 501;
  const said = isAbsent ? "This service cannot do that." : `The service answered ${status}.`;
  return new ApiError(status, "", said, isAbsent);
}

function inWords(response: Response, code: string, message: string): string {
  if (code !== "too_many_attempts") return `${message}.`;
  const waitS = Number(response.headers.get("retry-after"));
  return waitS > 0 ? `Too many attempts. Try again in ${waitS} s.` : `${message}.`;
}

function field(value: unknown, name: string): unknown {
  return typeof value === "object" && value !== null
    ? (value as Record<string, unknown>)[name]
    : undefined;
}

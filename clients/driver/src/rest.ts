// Requests to the service's REST routes, each with a token.

import type { TokenProvider } from "./contracts.ts";
import { LeveeDebugLogger } from "./debug.ts";
import { isAuthorizationFault, RestError, tokenError } from "./errors.ts";

/** Options of one request. */
export interface RestRequestOptions {
  readonly headers?: Record<string, string>;
  /** Milliseconds until the request is given up. */
  readonly timeout?: number;
  /** Gives the request up when it is aborted. */
  readonly signal?: AbortSignal | undefined;
}

const TIMEOUT_MS = 30_000;
/** Characters of an error's body that go into its message. */
const ERROR_TEXT_MAX = 500;

/** JSON over HTTP for one document, with a Bearer token that is renewed when it is refused. */
export class RestWrapper {
  readonly #baseUrl: string;
  readonly #tokenProvider: TokenProvider;
  readonly #tenantId: string;
  readonly #documentId: string;
  readonly #timeoutMs: number;
  readonly #debug: LeveeDebugLogger;

  constructor(
    baseUrl: string,
    tokenProvider: TokenProvider,
    tenantId: string,
    documentId: string,
    defaultTimeout: number = TIMEOUT_MS,
    debug?: boolean,
  ) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.#tokenProvider = tokenProvider;
    this.#tenantId = tenantId;
    this.#documentId = documentId;
    this.#timeoutMs = defaultTimeout;
    this.#debug = new LeveeDebugLogger("rest", debug);
  }

  /** @throws {@link RestError}, or what the token provider threw */
  async get<T>(path: string, options?: RestRequestOptions): Promise<T> {
    return this.#request("GET", path, undefined, options);
  }

  /** @throws {@link RestError}, or what the token provider threw */
  async post<T>(path: string, body: unknown, options?: RestRequestOptions): Promise<T> {
    return this.#request("POST", path, body, options);
  }

  /** @throws {@link RestError}, or what the token provider threw */
  async patch<T>(path: string, body: unknown, options?: RestRequestOptions): Promise<T> {
    return this.#request("PATCH", path, body, options);
  }

  /** @throws {@link RestError}, or what the token provider threw */
  async delete<T>(path: string, options?: RestRequestOptions): Promise<T> {
    return this.#request("DELETE", path, undefined, options);
  }

  async #request<T>(
    method: string,
    path: string,
    body: unknown,
    options: RestRequestOptions = {},
  ): Promise<T> {
    const text = body === undefined ? undefined : JSON.stringify(body);
    try {
      return await this.#attempt(method, path, text, options, false);
    } catch (error) {
      if (!isAuthorizationFault(error)) throw error;
      return this.#attempt(method, path, text, options, true);
    }
  }

  async #attempt<T>(
    method: string,
    path: string,
    body: string | undefined,
    options: RestRequestOptions,
    refreshToken: boolean,
  ): Promise<T> {
    const jwt = await this.#token(refreshToken);
    const url = /^https?:\/\//.test(path) ? path : `${this.#baseUrl}${path}`;
    this.#debug.logRequest(method, url, body);
    const { status, statusText, text } = await send(url, {
      method,
      headers: {
        authorization: `Bearer ${jwt}`,
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body }),
      signal: deadline(options.timeout ?? this.#timeoutMs, options.signal),
    });
    this.#debug.logResponse(method, url, status, text);
    if (status < 200 || status > 299) {
      throw new RestError(
        `HTTP ${status}: ${statusText} - ${text.slice(0, ERROR_TEXT_MAX)}`,
        status,
        { retryAfterSeconds: retryAfterSeconds(text) },
      );
    }
    return parse<T>(text, status);
  }

  async #token(refresh: boolean): Promise<string> {
    try {
      const { jwt } = await this.#tokenProvider.fetchStorageToken(
        this.#tenantId,
        this.#documentId,
        refresh,
      );
      return jwt;
    } catch (error) {
      throw tokenError(error);
    }
  }
}

interface Answer {
  readonly status: number;
  readonly statusText: string;
  readonly text: string;
}

/** One request, with the whole of its answer. */
export async function send(url: string, init: RequestInit): Promise<Answer> {
  try {
    const response = await fetch(url, init);
    const { status, statusText } = response;
    return { status, statusText, text: await response.text() };
  } catch (cause) {
    const name = cause instanceof Error ? cause.name : "";
    if (name === "TimeoutError") throw new RestError(`${url}: no answer in time`, 408, { cause });
    const text = cause instanceof Error ? cause.message : String(cause);
    throw new RestError(`${url}: ${text}`, 0, { cause });
  }
}

/** Aborts after a time, or with `signal`. */
export function deadline(timeoutMs: number, signal?: AbortSignal): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([timeout, signal]);
}

function parse<T>(text: string, status: number): T {
  if (text === "") return undefined as T;
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new RestError("the answer is no JSON", status, { cause });
  }
}

/** The service's `retryAfter`, which is in milliseconds here. */
function retryAfterSeconds(text: string): number | undefined {
  try {
    const { retryAfter } = JSON.parse(text) as { readonly retryAfter?: unknown };
    return typeof retryAfter === "number" ? retryAfter / 1000 : undefined;
  } catch {
    // Whoever stands before the service answers in words of their own.
    return undefined;
  }
}

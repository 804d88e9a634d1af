// Every failure in the form that Fluid reads: an error type, whether trying again may help, and
// after how long.

import type { ConnectError } from "./generated/messages.ts";
import { randomId } from "./random.ts";

/**
 * The `errorType` of a failure; the words are those of Fluid's `DriverErrorTypes`.
 */
export type LeveeErrorType =
  | "genericNetworkError"
  | "authorizationError"
  | "fileNotFoundOrAccessDeniedError"
  | "fetchFailure"
  | "fetchTokenError"
  | "incorrectServerResponse"
  | "throttlingError"
  | "usageError";

/** What is known of a failure besides its message. */
export interface LeveeErrorDetails {
  /** Whether the same may succeed later. Fluid closes the container when it is false. */
  readonly canRetry: boolean;
  /** Seconds to wait before the next try, where the service named them. */
  readonly retryAfterSeconds?: number | undefined;
  /** HTTP status, or the `code` of a refused connection; 0 where no answer came. */
  readonly statusCode?: number | undefined;
  /** What led to it. */
  readonly cause?: unknown;
}

type TelemetryProperties = Record<string, string | number | boolean | undefined>;

/**
 * A failure of the driver. Fluid's layers recognise it as one of their own errors and keep its
 * type, `canRetry` and `retryAfterSeconds`.
 */
export class LeveeError extends Error {
  readonly errorType: LeveeErrorType;
  readonly canRetry: boolean;
  readonly retryAfterSeconds?: number;
  readonly statusCode?: number;
  /** Names this occurrence in logs. */
  readonly errorInstanceId: string = randomId();
  #telemetry: TelemetryProperties;

  constructor(message: string, errorType: LeveeErrorType, details: LeveeErrorDetails) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.errorType = errorType;
    this.canRetry = details.canRetry;
    if (details.retryAfterSeconds !== undefined) this.retryAfterSeconds = details.retryAfterSeconds;
    if (details.statusCode !== undefined) this.statusCode = details.statusCode;
    this.#telemetry = {};
  }

  /** For Fluid's loggers. */
  getTelemetryProperties(): TelemetryProperties {
    return {
      ...this.#telemetry,
      errorType: this.errorType,
      message: this.message,
      stack: this.stack,
      canRetry: this.canRetry,
      retryAfterSeconds: this.retryAfterSeconds,
      statusCode: this.statusCode,
      errorInstanceId: this.errorInstanceId,
    };
  }

  /** For Fluid's layers, which add what they know. */
  addTelemetryProperties(properties: object): void {
    this.#telemetry = { ...(properties as TelemetryProperties), ...this.#telemetry };
  }
}

/** Statuses of answers after which the same request may succeed; 0 stands for no answer at all. */
const RETRYABLE_STATUSES: readonly number[] = [0, 408, 429, 502, 503, 504];
/** Fluid wants a delay with every throttling error; used where the service named none. */
const THROTTLED_SECONDS = 5;

/** A REST request that was not answered with success. */
export class RestError extends LeveeError {
  declare readonly statusCode: number;

  /**
   * @param message - for people
   * @param statusCode - HTTP status; 0 if no answer came, 408 if it did not come in time
   * @param details - what else is known
   */
  constructor(
    message: string,
    statusCode: number,
    details: { readonly retryAfterSeconds?: number | undefined; readonly cause?: unknown } = {},
  ) {
    super(message, errorTypeOfStatus(statusCode), {
      canRetry: RETRYABLE_STATUSES.includes(statusCode),
      statusCode,
      cause: details.cause,
      retryAfterSeconds:
        details.retryAfterSeconds ?? (statusCode === 429 ? THROTTLED_SECONDS : undefined),
    });
  }
}

function errorTypeOfStatus(status: number): LeveeErrorType {
  // A success that could not be read.
  if (status >= 200 && status < 300) return "incorrectServerResponse";
  switch (status) {
    case 0:
      return "fetchFailure";
    case 401:
    case 403:
      return "authorizationError";
    case 404:
      return "fileNotFoundOrAccessDeniedError";
    case 429:
      return "throttlingError";
    default:
      return "genericNetworkError";
  }
}

/**
 * What `connect_document_error` says, as an error. The codes are HTTP statuses; those of faults in
 * the service (500 and above) can be tried again, because a restart may have repaired them.
 */
export function connectDocumentError(payload: unknown): LeveeError {
  const { code, message, retryAfterMs } = (payload ?? {}) as Partial<ConnectError>;
  const statusCode = typeof code === "number" ? code : 500;
  const seconds = typeof retryAfterMs === "number" ? retryAfterMs / 1000 : undefined;
  const text = typeof message === "string" ? message : "no reason given";
  return new LeveeError(`connect_document failed: ${text}`, errorTypeOfStatus(statusCode), {
    canRetry: statusCode >= 500 || RETRYABLE_STATUSES.includes(statusCode),
    statusCode,
    retryAfterSeconds: seconds ?? (statusCode === 429 ? THROTTLED_SECONDS : undefined),
  });
}

/** A fault of the connection that a new connection may not have. */
export function networkError(message: string, cause?: unknown): LeveeError {
  return new LeveeError(message, "genericNetworkError", { canRetry: true, cause });
}

/** Whether trying again may help; not so for errors that do not say. */
export function canRetry(error: unknown): boolean {
  return (error as Partial<LeveeErrorDetails> | undefined)?.canRetry === true;
}

/** Whether a fresh token may help. */
export function isAuthorizationFault(error: unknown): boolean {
  const status = (error as Partial<LeveeErrorDetails> | undefined)?.statusCode;
  return status === 401 || status === 403;
}

/** What a failing token provider threw, as an error that Fluid can read. */
export function tokenError(cause: unknown): LeveeError {
  if (cause instanceof LeveeError) return cause;
  const text = cause instanceof Error ? cause.message : String(cause);
  return new LeveeError(`no token: ${text}`, "fetchTokenError", {
    // A provider that knows better says so; an app's own endpoint may be down for a moment.
    canRetry: (cause as Partial<LeveeErrorDetails> | undefined)?.canRetry ?? true,
    cause,
  });
}

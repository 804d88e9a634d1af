// Failures as Fluid's own packages read them.

import { isFluidError, normalizeError } from "@fluidframework/telemetry-utils/internal";
import { describe, expect, test } from "vitest";
import { connectDocumentError, networkError, tokenError } from "../src/errors.ts";
import { LeveeError, RestError } from "../src/index.ts";

test("Fluid takes them for its own, and keeps what they say", () => {
  const error = new LeveeError("m", "throttlingError", { canRetry: true, retryAfterSeconds: 2 });
  expect(isFluidError(error)).toBe(true);
  expect(normalizeError(error, { props: { from: "a test" } })).toBe(error);
  expect(error.getTelemetryProperties()).toMatchObject({ from: "a test", retryAfterSeconds: 2 });
  expect(error.errorInstanceId).not.toBe(networkError("n").errorInstanceId);
});

test.each([
  [0, "fetchFailure", true],
  [400, "genericNetworkError", false],
  [401, "authorizationError", false],
  [403, "authorizationError", false],
  [404, "fileNotFoundOrAccessDeniedError", false],
  [408, "genericNetworkError", true],
  [409, "genericNetworkError", false],
  [413, "genericNetworkError", false],
  [429, "throttlingError", true],
  [500, "genericNetworkError", false],
  [502, "genericNetworkError", true],
  [503, "genericNetworkError", true],
  [504, "genericNetworkError", true],
])("REST status %i is a %s", (status, errorType, canRetry) => {
  const error = new RestError("m", status);
  expect(error).toMatchObject({ statusCode: status, errorType, canRetry, message: "m" });
});

test("a throttling error always has a delay", () => {
  expect(new RestError("m", 429).retryAfterSeconds).toBeGreaterThan(0);
  expect(new RestError("m", 429, { retryAfterSeconds: 7 }).retryAfterSeconds).toBe(7);
  expect(new RestError("m", 503).retryAfterSeconds).toBeUndefined();
});

describe("connect_document_error", () => {
  test.each([
    [400, "genericNetworkError", false],
    [401, "authorizationError", false],
    [403, "authorizationError", false],
    [404, "fileNotFoundOrAccessDeniedError", false],
    [429, "throttlingError", true],
    [500, "genericNetworkError", true],
    [503, "genericNetworkError", true],
  ])("code %i", (code, errorType, canRetry) => {
    expect(connectDocumentError({ code, message: "why" })).toMatchObject({
      message: "connect_document failed: why",
      statusCode: code,
      errorType,
      canRetry,
    });
  });

  test("its delay is in milliseconds", () => {
    const error = connectDocumentError({ code: 503, message: "", retryAfterMs: 1500 });
    expect(error.retryAfterSeconds).toBe(1.5);
  });

  test("one without a code can be tried again", () => {
    for (const payload of [undefined, null, {}, { code: "x" }]) {
      expect(connectDocumentError(payload)).toMatchObject({ canRetry: true });
    }
  });
});

test("a failing token provider is told apart, and may say whether to try again", () => {
  const plain = new Error("down");
  expect(tokenError(plain)).toMatchObject({
    errorType: "fetchTokenError",
    canRetry: true,
    message: "no token: down",
    cause: plain,
  });
  expect(tokenError(Object.assign(new Error("no"), { canRetry: false })).canRetry).toBe(false);
  const own = networkError("own");
  expect(tokenError(own)).toBe(own);
});

// What the service sends, in the shapes that Fluid expects. Only the names of the protocol's own
// members are looked at; what applications put into operations and signals is never touched.

import type { INack, ISequencedDocumentMessage } from "@fluidframework/driver-definitions/legacy";
import type { ConnectedResponse } from "./contracts.ts";
import { LeveeError } from "./errors.ts";

type Members = Record<string, unknown>;

/** The largest message that a service takes which does not say. Bytes. */
const MAX_MESSAGE_SIZE_DEFAULT = 16_384;
const BLOCK_SIZE_DEFAULT = 65_536;

/**
 * Gives the members of an object camelCase names where they have snake_case ones. Only its own:
 * values are passed on as they are, because they may be an application's.
 */
export function normalizeKeys<T>(obj: unknown): T {
  if (!isObject(obj)) return obj as T;
  const entries = Object.entries(obj).map(([key, value]) => [camelCase(key), value] as const);
  return Object.fromEntries(entries) as T;
}

function camelCase(key: string): string {
  return key.replace(/_([a-z0-9])/g, (_, next: string) => next.toUpperCase());
}

/**
 * Reads `connect_document_success`; members that are missing get defaults.
 *
 * @throws {@link LeveeError} of type `incorrectServerResponse` without a client id
 */
export function normalizeConnectedResponse(raw: unknown): ConnectedResponse {
  const response = normalizeKeys<Members>(raw);
  const clientId = isObject(response) ? response.clientId : undefined;
  if (typeof clientId !== "string" || clientId === "") {
    throw new LeveeError(
      "connect_document_success names no client id",
      "incorrectServerResponse",
      // A service that is being replaced may do better a moment later.
      { canRetry: true },
    );
  }
  const list = (value: unknown): never[] => (Array.isArray(value) ? (value as never[]) : []);
  const number = (value: unknown, other: number) => (typeof value === "number" ? value : other);
  const configuration = normalizeKeys<Members>(response.serviceConfiguration ?? {});
  const maxMessageSize = number(response.maxMessageSize, MAX_MESSAGE_SIZE_DEFAULT);
  return {
    claims: (response.claims ?? {}) as ConnectedResponse["claims"],
    clientId,
    existing: response.existing === true,
    maxMessageSize,
    mode: response.mode === "read" ? "read" : "write",
    version: typeof response.version === "string" ? response.version : "0.1",
    initialMessages: normalizeMembership(list(response.initialMessages)),
    initialSignals: list(response.initialSignals),
    initialClients: list(response.initialClients),
    supportedVersions: list(response.supportedVersions),
    supportedFeatures: isObject(response.supportedFeatures) ? response.supportedFeatures : {},
    serviceConfiguration: {
      ...configuration,
      blockSize: number(configuration.blockSize, BLOCK_SIZE_DEFAULT),
      maxMessageSize: number(configuration.maxMessageSize, maxMessageSize),
    },
    ...(typeof response.checkpointSequenceNumber === "number"
      ? { checkpointSequenceNumber: response.checkpointSequenceNumber }
      : {}),
  };
}

/**
 * Gives messages about clients that join and leave the form that Fluid's own services have. The
 * service says who it was in `contents`, too; early releases of Fluid 2 take that for an
 * application's JSON, and close the container.
 */
export function normalizeMembership(
  messages: ISequencedDocumentMessage[],
): ISequencedDocumentMessage[] {
  for (const message of messages) {
    const { type, data } = message;
    if ((type === "join" || type === "leave") && data !== undefined) message.contents = null;
  }
  return messages;
}

/** Reads an `op` event: `{documentId, op: […]}`, `{ops: […]}` or the bare list. */
export function normalizeOpPayload(
  payload: unknown,
  fallbackDocId: string,
): { documentId: string; ops: ISequencedDocumentMessage[] } {
  if (Array.isArray(payload)) {
    return { documentId: fallbackDocId, ops: normalizeMembership(payload) };
  }
  if (!isObject(payload)) return { documentId: fallbackDocId, ops: [] };
  const { documentId } = normalizeKeys<Members>(payload);
  const ops = payload.op ?? payload.ops;
  return {
    documentId: typeof documentId === "string" ? documentId : fallbackDocId,
    ops: normalizeMembership(Array.isArray(ops) ? ops : ops === undefined ? [] : [ops]),
  };
}

/** Reads a `nack` event: one nack, a list of them, or an object with a list of them. */
export function normalizeNackPayload(payload: unknown): INack[] {
  const { nacks } = (isObject(payload) ? payload : {}) as { readonly nacks?: unknown };
  const list = Array.isArray(payload) ? payload : Array.isArray(nacks) ? nacks : [payload];
  return list.map((nack: Partial<INack> | undefined) => ({
    operation: nack?.operation ?? undefined,
    sequenceNumber: nack?.sequenceNumber ?? -1,
    content: {
      ...nack?.content,
      code: nack?.content?.code ?? 400,
      type: nack?.content?.type ?? ("BadRequestError" as INack["content"]["type"]),
      message: nack?.content?.message ?? "refused without a reason",
    },
  }));
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

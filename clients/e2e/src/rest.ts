// REST as the drivers and the tools speak it, without a driver in between.

import type { Service, Tenant } from "levee-testkit/service";
import { signToken } from "levee-testkit/tokens";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed JSON, or the text where the answer says that it is none. */
  readonly body: unknown;
}

export interface RestOptions {
  readonly authorization?: string | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
}

export async function rest(
  service: Service,
  method: string,
  path: string,
  { authorization, body, headers }: RestOptions = {},
): Promise<Answer> {
  const response = await fetch(`${service.url}${path}`, {
    method,
    headers: {
      ...(authorization === undefined ? {} : { authorization }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const json = response.headers.get("content-type")?.includes("application/json") ?? false;
  return {
    status: response.status,
    headers: response.headers,
    body: json && text !== "" ? JSON.parse(text) : text,
  };
}

/** How routerlicious-driver authorises `/documents` and `/deltas`: the raw token. */
export function ordererAuth(token: string): string {
  return `Basic ${token}`;
}

/** How routerlicious-driver authorises `/repos`: a pair of tenant and token. */
export function storageAuth(tenant: Tenant, token: string): string {
  return `Basic ${Buffer.from(`${tenant.id}:${token}`).toString("base64")}`;
}

/** How Levee's driver authorises everything. */
export function bearer(token: string): string {
  return `Bearer ${token}`;
}

/** What the official drivers post to create a document that holds nothing. */
export const emptyDocument = {
  summary: { type: 1, tree: { ".metadata": { type: 2, content: "{}" } } },
  sequenceNumber: 0,
  values: [
    [
      "code",
      {
        key: "code",
        value: { package: "levee-e2e" },
        approvalSequenceNumber: 0,
        commitSequenceNumber: 0,
        sequenceNumber: 0,
      },
    ],
  ],
};

/** Creates a document, one that holds nothing unless told otherwise, and answers its id. */
export async function createDocument(
  service: Service,
  tenant: Tenant,
  summary: unknown = emptyDocument.summary,
): Promise<string> {
  const answer = await rest(service, "POST", `/documents/${tenant.id}`, {
    authorization: ordererAuth(signToken(tenant, "")),
    body: { ...emptyDocument, summary },
  });
  if (answer.status !== 201 || typeof answer.body !== "string") {
    throw new Error(`create answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}

/** A sequenced op, as the socket and `/deltas` both show it. */
export interface SequencedOp {
  readonly clientId: string | null;
  readonly clientSequenceNumber: number;
  readonly contents: unknown;
  readonly data?: string;
  readonly metadata?: unknown;
  readonly minimumSequenceNumber: number;
  readonly referenceSequenceNumber: number;
  readonly sequenceNumber: number;
  readonly timestamp: number;
  readonly type: string;
}

/** Every op of a document, by pages as the official driver asks: both bounds are exclusive. */
export async function readDeltas(
  service: Service,
  tenant: Tenant,
  documentId: string,
): Promise<SequencedOp[]> {
  const authorization = ordererAuth(signToken(tenant, documentId));
  const ops: SequencedOp[] = [];
  for (;;) {
    const from = ops.at(-1)?.sequenceNumber ?? 0;
    const answer = await rest(
      service,
      "GET",
      `/deltas/${tenant.id}/${documentId}?from=${from}&to=${from + 2001}`,
      { authorization },
    );
    if (answer.status !== 200) throw new Error(`/deltas answered ${answer.status}`);
    const page = answer.body as SequencedOp[];
    ops.push(...page);
    if (page.length === 0) return ops;
  }
}

import { expect, test } from "vitest";
import {
  LeveeError,
  normalizeConnectedResponse,
  normalizeKeys,
  normalizeNackPayload,
  normalizeOpPayload,
} from "../src/index.ts";

test("names of members become camelCase; what is inside is not touched", () => {
  const inner = { snake_case: 1, list: [{ a_b: 2 }] };
  const normalized = normalizeKeys<Record<string, unknown>>({ client_id: "c", contents: inner });
  expect(normalized).toEqual({ clientId: "c", contents: { snake_case: 1, list: [{ a_b: 2 }] } });
  expect(normalized.contents).toBe(inner);
  expect(normalizeKeys("text")).toBe("text");
  expect(normalizeKeys(null)).toBe(null);
});

test("what a connection's opening leaves out has defaults", () => {
  expect(normalizeConnectedResponse({ client_id: "c" })).toEqual({
    claims: {},
    clientId: "c",
    existing: false,
    maxMessageSize: 16_384,
    mode: "write",
    version: "0.1",
    initialMessages: [],
    initialSignals: [],
    initialClients: [],
    supportedVersions: [],
    supportedFeatures: {},
    serviceConfiguration: { blockSize: 65_536, maxMessageSize: 16_384 },
  });
});

test("a connection without a client id is none", () => {
  for (const raw of [undefined, null, {}, { clientId: "" }, { clientId: 5 }]) {
    expect(() => normalizeConnectedResponse(raw)).toThrow(LeveeError);
  }
});

test("operations come in three forms, and stay the objects that they are", () => {
  const op = { contents: '{"snake_case":1}', metadata: { batch_id: "b" } };
  const ops = [op];
  for (const payload of [{ op: ops, documentId: "d" }, { ops, documentId: "d" }, ops]) {
    const normalized = normalizeOpPayload(payload, "d");
    expect(normalized.documentId).toBe("d");
    expect(normalized.ops[0]).toBe(op);
  }
  expect(normalizeOpPayload({ document_id: "x", op: [] }, "d").documentId).toBe("x");
  expect(normalizeOpPayload(null, "d")).toEqual({ documentId: "d", ops: [] });
});

test("nacks come in three forms", () => {
  const nack = {
    operation: null,
    sequenceNumber: 4,
    content: { code: 429, type: "ThrottlingError", message: "m", retryAfter: 2 },
  };
  const expected = [{ ...nack, operation: undefined }];
  expect(normalizeNackPayload(nack)).toEqual(expected);
  expect(normalizeNackPayload([nack])).toEqual(expected);
  expect(normalizeNackPayload({ clientId: "", ...nack, nacks: [nack] })).toEqual(expected);
  expect(normalizeNackPayload(undefined)).toMatchObject([{ sequenceNumber: -1 }]);
});

test("joins and leaves have their data, and no contents that an app could take for its own", () => {
  const about = (type: string, data?: string) => ({ type, contents: "a-client", data });
  const { ops } = normalizeOpPayload([about("leave", '"a-client"'), about("join", "{}")], "d");
  expect(ops.map(({ contents }) => contents)).toEqual([null, null]);
  const [kept] = normalizeOpPayload([about("op", '"a-client"')], "d").ops;
  expect(kept?.contents).toBe("a-client");
  const [without] = normalizeOpPayload([about("leave")], "d").ops;
  expect(without?.contents).toBe("a-client");
  const response = { clientId: "c", initialMessages: [about("leave", '"a-client"')] };
  expect(normalizeConnectedResponse(response).initialMessages[0]?.contents).toBe(null);
});

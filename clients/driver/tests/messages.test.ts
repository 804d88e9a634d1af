// The service's golden vectors: the driver reads what the service writes, and writes what the
// service has been seen to read.

import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { describe, expect, test } from "vitest";
import {
  normalizeConnectedResponse,
  normalizeNackPayload,
  normalizeOpPayload,
} from "../src/normalize.ts";
import { type Frame, serializer } from "../src/serialization.ts";
import { toClient, toService } from "./generated/vectors.ts";

const json = await serializer("json");
const msgpack = await serializer("msgpack");

function frame([join_ref, ref, topic, event, payload]: readonly unknown[]): Frame {
  return { join_ref, ref, topic, event, payload } as Frame;
}

function bytes(base64: string): Uint8Array {
  return new Uint8Array(Buffer.from(base64, "base64"));
}

/** As a WebSocket hands binary data over. */
function buffer(base64: string): ArrayBuffer {
  return bytes(base64).buffer as ArrayBuffer;
}

test("the generated files are what the schema and the vectors make", () => {
  const generator = resolve(import.meta.dirname, "../schema/generate.mjs");
  const { status, stderr } = spawnSync(process.execPath, [generator, "--check"]);
  expect(stderr.toString()).toBe("");
  expect(status).toBe(0);
});

describe("from the service", () => {
  test.for(toClient)("$name", (vector) => {
    const meant = frame(vector.value);
    expect(json.decode(vector.json)).toStrictEqual(meant);
    expect(msgpack.decode(buffer(vector.msgpack))).toStrictEqual(meant);
  });

  test("every event is among them", () => {
    const events = new Set(toClient.map(({ value }) => value[3]));
    expect([...events].sort()).toStrictEqual([
      "connect_document_error",
      "connect_document_success",
      "nack",
      "op",
      "phx_close",
      "phx_error",
      "phx_reply",
      "presence_diff",
      "presence_error",
      "presence_state",
      "signal",
    ]);
  });

  test("operations reach Fluid as they came", () => {
    for (const { name, value } of toClient) {
      if (value[3] !== "op") continue;
      const [, , , , payload] = value;
      const read = normalizeOpPayload(payload, "fallback");
      expect(read, name).toStrictEqual({ documentId: payload.documentId, ops: payload.op });
    }
  });

  test("nacks reach Fluid in its own shape", () => {
    for (const { name, value } of toClient) {
      if (value[3] !== "nack") continue;
      const meant = value[4].nacks.map((nack) => ({
        ...nack,
        operation: nack.operation ?? undefined,
      }));
      expect(normalizeNackPayload(value[4]), name).toStrictEqual(meant);
    }
  });

  test("a connection has everything that the service said of it", () => {
    for (const { name, value } of toClient) {
      if (value[3] !== "connect_document_success") continue;
      const { summaryContext, ...meant } = value[4];
      expect(normalizeConnectedResponse(value[4]), name).toStrictEqual(meant);
    }
  });
});

describe("to the service", () => {
  test.for(toService)("$name", (vector) => {
    const meant = frame(vector.value);
    expect(json.encode(meant)).toBe(vector.json);
    expect(msgpack.encode(meant)).toStrictEqual(bytes(vector.msgpack));
    expect(json.decode(vector.json)).toStrictEqual(meant);
    expect(msgpack.decode(buffer(vector.msgpack))).toStrictEqual(meant);
  });

  test("every event is among them", () => {
    const events = new Set(toService.map(({ value }) => value[3]));
    expect([...events].sort()).toStrictEqual([
      "connect_document",
      "heartbeat",
      "joinPresence",
      "leavePresence",
      "noop",
      "phx_join",
      "phx_leave",
      "requestOps",
      "submitOp",
      "submitSignal",
      "updatePresence",
    ]);
  });
});

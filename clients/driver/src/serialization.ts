// The two ways in which messages are written on the socket.

import type { SerializationFormat } from "./contracts.ts";
import { networkError } from "./errors.ts";

/** A message of `phoenix`; on the wire its members stand in a list, in this order. */
export interface Frame {
  readonly join_ref: string | null | undefined;
  readonly ref: string | null;
  readonly topic: string;
  readonly event: string;
  readonly payload: unknown;
}

/** One way of writing. */
export interface Serializer {
  /** How the service is told of it. */
  readonly vsn: string;
  readonly encode: (frame: Frame) => string | Uint8Array;
  /** @throws when the data is not a message */
  readonly decode: (data: unknown) => Frame;
}

/** The serialisation for a format. The code for msgpack is loaded only when it is asked for. */
export async function serializer(format: SerializationFormat): Promise<Serializer> {
  if (format === "json") {
    return {
      vsn: "2.0.0",
      encode: (frame) => JSON.stringify(listed(frame)),
      decode: (data) => unlisted(JSON.parse(data as string)),
    };
  }
  const { Packr } = await import("msgpackr").catch((cause: unknown) => {
    // In a browser it is a request, which can fail as any other.
    throw networkError("the code for msgpack could not be loaded", cause);
  });
  // The service reads plain maps; and Fluid calculates with numbers, which must not be BigInts.
  const packr = new Packr({
    useRecords: false,
    encodeUndefinedAsNil: true,
    int64AsType: "number",
  });
  return {
    vsn: "3.0.0",
    // A copy: the packer reuses its buffer, and a WebSocket may send later.
    encode: (frame) => new Uint8Array(packr.pack(listed(frame))),
    decode: (data) => unlisted(packr.unpack(new Uint8Array(data as ArrayBuffer))),
  };
}

function listed({ join_ref, ref, topic, event, payload }: Frame): unknown[] {
  return [join_ref ?? null, ref, topic, event, payload];
}

function unlisted(list: unknown): Frame {
  if (!Array.isArray(list)) throw new TypeError("not a list");
  const [join_ref, ref, topic, event, payload] = list;
  if (typeof topic !== "string" || typeof event !== "string") {
    throw new TypeError("no topic or no event");
  }
  return { join_ref, ref, topic, event, payload };
}

// Phoenix sockets, each lent to one connection at a time and used again.
//
// A socket of `phoenix` listens to the page from its making on and can never be got rid of. An app
// that tries to reconnect all night must therefore not make one for every attempt.

import { type Channel, Socket, type SocketConnectOption } from "phoenix";
import { WebSocketImpl } from "#websocket";
import type { SerializationFormat } from "./contracts.ts";
import { type Frame, type Serializer, serializer } from "./serialization.ts";

/** What a borrower is told. */
export interface SocketListener {
  onOpen(): void;
  onError(error: unknown): void;
  onClose(event: { readonly code: number; readonly reason: string }): void;
  /** A frame could not be read. */
  onUnreadable(error: unknown): void;
}

/** Closed sockets of one address and format that are kept; more are made when they are needed. */
const IDLE_MAX = 16;

const idle = new Map<string, PooledSocket[]>();

/** A closed socket for `url`. It is to be given back whatever happens. */
export async function borrowSocket(
  url: string,
  format: SerializationFormat,
): Promise<PooledSocket> {
  const key = `${format} ${url}`;
  const serialization = await serializer(format);
  return idle.get(key)?.pop() ?? new PooledSocket(key, url, serialization);
}

/** A socket that is lent. */
export class PooledSocket {
  readonly #key: string;
  readonly #socket: Socket;
  #listener: SocketListener | undefined;

  constructor(key: string, url: string, { vsn, encode, decode }: Serializer) {
    this.#key = key;
    this.#socket = new Socket(url, {
      vsn,
      encode: (frame, callback) => callback(encode(frame as Frame)),
      decode: this.#guarded(decode),
      transport: WebSocketImpl,
      binaryType: "arraybuffer",
    });
    this.#socket.onOpen(() => this.#listener?.onOpen());
    this.#socket.onError((error) => this.#listener?.onError(error));
    this.#socket.onClose((event) => this.#listener?.onClose(event));
    this.#rest();
  }

  connect(listener: SocketListener): void {
    this.#listener = listener;
    // Back to the method of its class.
    Reflect.deleteProperty(this.#socket, "connect");
    this.#socket.connect();
  }

  channel(topic: string, params: object): Channel {
    return this.#socket.channel(topic, params);
  }

  /** Ends the connection, and makes the socket ready for the next. */
  giveBack(channel: Channel | undefined): void {
    this.#listener = undefined;
    // Ends its attempts to join again; the service's reply is not awaited.
    channel?.leave(1);
    (this.#socket as unknown as { sendBuffer: unknown[] }).sendBuffer = [];
    this.#rest();
    this.#socket.disconnect(() => {
      const resting = idle.get(this.#key) ?? [];
      if (resting.length < IDLE_MAX) idle.set(this.#key, [...resting, this]);
    });
  }

  /** `phoenix` would connect by itself when the page becomes visible, or is shown from the cache. */
  #rest(): void {
    this.#socket.connect = () => {};
  }

  #guarded(decode: Serializer["decode"]): SocketConnectOption["decode"] {
    return (data, callback) => {
      let frame: Frame;
      try {
        frame = decode(data);
      } catch (error) {
        this.#listener?.onUnreadable(error);
        return;
      }
      callback(frame);
    };
  }
}

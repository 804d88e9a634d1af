// A service of Phoenix Channels that says what a test tells it to.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";

export type Message = readonly [
  joinRef: string | null,
  ref: string | null,
  topic: string,
  event: string,
  payload: Record<string, unknown>,
];

export interface Peer {
  readonly received: Message[];
  readonly socket: WebSocket;
  /** Path and query of the handshake. */
  readonly url: string;
  /** Sends an event of the channel that was joined. */
  push(event: string, payload: unknown): void;
}

/** Reacts to a message. Joins are answered before. */
export type Script = (peer: Peer, message: Message) => void;

export class PhoenixServer {
  readonly socketUrl: string;
  readonly peers: Peer[] = [];
  readonly #server: WebSocketServer;

  /** @param refuseJoins - the response of a join that is refused */
  static async start(script: Script, refuseJoins?: object | "silence"): Promise<PhoenixServer> {
    const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
    await once(server, "listening");
    return new PhoenixServer(server, script, refuseJoins);
  }

  private constructor(server: WebSocketServer, script: Script, refuseJoins?: object | "silence") {
    this.#server = server;
    this.socketUrl = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/socket`;
    server.on("connection", (socket, { url }) => {
      let joined: readonly [string | null, string] = [null, ""];
      const send = (...message: Message) => socket.send(JSON.stringify(message));
      const peer: Peer = {
        received: [],
        socket,
        url: url ?? "",
        push: (event, payload) => send(joined[0], null, joined[1], event, payload as never),
      };
      this.peers.push(peer);
      socket.on("message", (data) => {
        const message = JSON.parse(String(data)) as Message;
        peer.received.push(message);
        const [joinRef, ref, topic, event] = message;
        if (event === "phx_join") {
          joined = [joinRef, topic];
          if (refuseJoins === "silence") return;
          const status = refuseJoins === undefined ? "ok" : "error";
          send(joinRef, ref, topic, "phx_reply", { status, response: refuseJoins ?? {} });
        }
        script(peer, message);
      });
    });
  }

  async close(): Promise<void> {
    for (const { socket } of this.peers) socket.terminate();
    this.#server.close();
    await once(this.#server, "close");
  }
}

/** The least that a service may answer to `connect_document`. */
export const success = { clientId: "me", mode: "write", claims: { scopes: ["doc:write"] } };

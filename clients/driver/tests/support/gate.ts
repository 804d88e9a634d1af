// An HTTP proxy before the service: it counts what passes, and can answer in the service's place.

import { once } from "node:events";
import { createServer, type IncomingMessage, request, type Server } from "node:http";
import { connect, type Socket } from "node:net";
import type { Endpoint, Service } from "levee-testkit/service";

export interface Stand {
  readonly status: number;
  readonly body?: unknown;
}

/** What is asked for, as in `GET /deltas/fluid/d?from=0`; a socket's handshake is a `GET` too. */
export type Asked = string;

export class Gate implements Endpoint {
  readonly url: string;
  /** Everything that was asked for, in order. */
  readonly asked: Asked[] = [];
  /** Answers in the service's place, where it answers something. `null`: the connection is cut. */
  instead: (asked: Asked) => Stand | null | undefined = () => undefined;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();

  static async before(service: Service): Promise<Gate> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Gate(server, service.port);
  }

  private constructor(server: Server, port: number) {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.url = `http://127.0.0.1:${address.port}`;
    this.#server = server;
    this.#port = port;
    server.on("connection", (socket) => this.#track(socket));
    server.on("request", (incoming, outgoing) => {
      const stand = this.#enter(incoming);
      if (stand === null) {
        incoming.socket.destroy();
        return;
      }
      if (stand !== undefined) {
        outgoing.writeHead(stand.status, { "content-type": "application/json" });
        outgoing.end(JSON.stringify(stand.body ?? {}));
        return;
      }
      const { method, url: path, headers } = incoming;
      const upstream = request({ host: "127.0.0.1", port, method, path, headers }, (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      upstream.on("error", () => outgoing.destroy());
      incoming.pipe(upstream);
    });
    server.on("upgrade", (incoming, socket: Socket, head) => this.#upgrade(incoming, socket, head));
  }

  /** The requests since the last call of this. */
  take(): Asked[] {
    return this.asked.splice(0);
  }

  /** Cuts every connection. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #enter({ method, url }: IncomingMessage): Stand | null | undefined {
    const asked = `${method} ${url}`;
    this.asked.push(asked);
    return this.instead(asked);
  }

  #upgrade(incoming: IncomingMessage, socket: Socket, head: Buffer): void {
    const stand = this.#enter(incoming);
    if (stand !== undefined) {
      socket.end(stand === null ? "" : `HTTP/1.1 ${stand.status} No\r\ncontent-length: 0\r\n\r\n`);
      return;
    }
    const upstream = connect(this.#port, "127.0.0.1");
    this.#track(upstream);
    const headers = incoming.rawHeaders.map((text, at) =>
      at % 2 === 0 ? `${text}: ` : `${text}\r\n`,
    );
    upstream.write(`GET ${incoming.url} HTTP/1.1\r\n${headers.join("")}\r\n`);
    upstream.write(head);
    socket.pipe(upstream).pipe(socket);
    socket.on("close", () => upstream.destroy());
    upstream.on("close", () => socket.destroy());
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    // A reset is what the other side of a dying connection sees; it is passed on by `close`.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

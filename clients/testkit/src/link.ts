// A TCP proxy before the service that stands for the network: it can be cut, and mended.

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Endpoint, Service } from "./service.ts";

export class Link implements Endpoint {
  readonly url: string;
  readonly #server: Server;
  readonly #port: number;
  readonly #sockets = new Set<Socket>();
  #isCut = false;

  /** A link to the service, which may come and go behind it. */
  static async to(service: Service): Promise<Link> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Link(server, service.port);
  }

  private constructor(server: Server, port: number) {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.url = `http://127.0.0.1:${address.port}`;
    this.#server = server;
    this.#port = port;
    server.on("connection", (client) => this.#join(client));
  }

  /** Ends every connection, and each that is tried until `mend`. */
  cut(): void {
    this.#isCut = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  mend(): void {
    this.#isCut = false;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(client: Socket): void {
    if (this.#isCut) {
      client.destroy();
      return;
    }
    const upstream = connect(this.#port, "127.0.0.1");
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      this.#sockets.add(socket);
      // The other side learns of an error by the close that follows it.
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        this.#sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  }
}

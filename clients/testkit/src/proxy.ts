// A TCP proxy before the service that can refuse WebSocket upgrades, as some company networks do.

import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { Endpoint, Service } from "./service.ts";

export class BlockingProxy implements Endpoint {
  readonly url: string;
  /** How many further upgrades are refused. */
  refusals: number;
  /** The request lines seen, in order. */
  readonly requests: string[] = [];
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  static async before(service: Service, refusals: number): Promise<BlockingProxy> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new BlockingProxy(server, service, refusals);
  }

  private constructor(server: Server, service: Service, refusals: number) {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.url = `http://127.0.0.1:${address.port}`;
    this.refusals = refusals;
    this.#server = server;
    this.#sockets = new Set();
    server.on("connection", (client) => this.#serve(client, service.port));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(client: Socket, port: number): void {
    this.#track(client);
    client.once("data", (head) => {
      const text = head.toString("latin1");
      this.requests.push(text.slice(0, text.indexOf("\r\n")));
      if (/^upgrade: websocket/im.test(text) && this.refusals > 0) {
        this.refusals -= 1;
        client.destroy();
        return;
      }
      const upstream = connect(port, "127.0.0.1");
      this.#track(upstream);
      upstream.write(head);
      client.pipe(upstream).pipe(client);
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => client.destroy());
    });
  }

  #track(socket: Socket): void {
    this.#sockets.add(socket);
    // A reset is what the other side of a dying connection sees; it is passed on by `close`.
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
  }
}

// The service's front with users: mints document tokens for sessions, and passes on the rest.

import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Service, Tenant } from "levee-testkit/service";
import { signToken, type User } from "levee-testkit/tokens";

/** What one request asked the mint for. */
export interface MintRequest {
  readonly authToken: string;
  readonly documentId: string;
}

export class Mint {
  readonly url: string;
  /** The sessions that are valid, and whose they are. */
  readonly sessions: Map<string, User>;
  readonly requests: MintRequest[] = [];
  readonly #server: Server;
  readonly #tenant: Tenant;

  static async before(
    service: Service,
    tenant: Tenant,
    sessions: Map<string, User>,
  ): Promise<Mint> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Mint(server, service, tenant, sessions);
  }

  private constructor(
    server: Server,
    service: Service,
    tenant: Tenant,
    sessions: Map<string, User>,
  ) {
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    this.url = `http://127.0.0.1:${address.port}`;
    this.sessions = sessions;
    this.#server = server;
    this.#tenant = tenant;
    server.on("request", (incoming: IncomingMessage, answer: ServerResponse) => {
      if (incoming.url === `/api/tenants/${tenant.id}/token-mint`) {
        this.#mint(incoming, answer).catch((error: unknown) => {
          answer.writeHead(500).end(String(error));
        });
      } else pass(incoming, answer, service.port);
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #mint(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const { documentId } = JSON.parse(Buffer.concat(chunks).toString());
    const authToken = (incoming.headers.authorization ?? "").replace(/^Bearer /, "");
    this.requests.push({ authToken, documentId });
    const user = this.sessions.get(authToken);
    answer.setHeader("Content-Type", "application/json");
    if (incoming.method !== "POST" || user === undefined) {
      answer.writeHead(401).end('{"error":"Unauthorized"}');
      return;
    }
    const jwt = signToken(this.#tenant, documentId, { user });
    answer.writeHead(200).end(JSON.stringify({ jwt, expiresIn: 3600, user }));
  }
}

function pass(incoming: IncomingMessage, answer: ServerResponse, port: number): void {
  const { method = "GET", url = "/", headers } = incoming;
  const onward = request({ host: "127.0.0.1", port, method, path: url, headers }, (response) => {
    answer.writeHead(response.statusCode ?? 502, response.headers);
    response.pipe(answer);
  });
  onward.on("error", () => answer.destroy());
  incoming.pipe(onward);
}

// A service to sign in with, as GitHub is one: a page on which somebody agrees, a code for a token,
// and an API that says who they are. It checks what GitHub checks, PKCE among it.

import { createHash, randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";

/** Whoever agrees on the page. */
export interface Octocat {
  readonly id: number;
  readonly login: string;
  readonly name: string;
  /** Primary and verified. */
  readonly email: string;
}

const CLIENT_ID = "levee-of-the-tests";
const CLIENT_SECRET = "secret-of-the-tests";

export class Provider {
  readonly url: string;
  /** Access tokens that it gave away. */
  readonly tokens: string[] = [];
  readonly #server: Server;
  readonly #person: Octocat;
  /** What `/authorize` was asked, by code. */
  readonly #grants = new Map<string, URLSearchParams>();

  private constructor(server: Server, url: string, person: Octocat) {
    this.#server = server;
    this.url = url;
    this.#person = person;
  }

  /** Starts it on a free port of the loopback address, with one person who is signed in there. */
  static async start(person: Octocat): Promise<Provider> {
    const server = createServer();
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    const provider = new Provider(server, `http://127.0.0.1:${address.port}`, person);
    server.on("request", (request, response) => {
      provider.#answer(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
    return provider;
  }

  /** The `[[provider]]` entry of a service that trusts it; `more` are lines of TOML. */
  entry(more = ""): string {
    return [
      "[[provider]]",
      'name = "github"',
      'kind = "github"',
      `url = "${this.url}"`,
      `api_url = "${this.url}"`,
      `client_id = "${CLIENT_ID}"`,
      `client_secret = "${CLIENT_SECRET}"`,
      more,
      "",
    ].join("\n");
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? "/", this.url);
    switch (`${request.method} ${url.pathname}`) {
      case "GET /login/oauth/authorize":
        response.writeHead(200, { "content-type": "text/html; charset=utf-8" });
        response.end(page(this.#grant(url.searchParams), url.searchParams, this.#person));
        return;
      case "POST /login/oauth/access_token":
        json(response, 200, this.#redeem(new URLSearchParams(await text(request))));
        return;
      case "GET /user":
      case "GET /user/emails": {
        const [, token = ""] = /^Bearer (.+)$/.exec(request.headers.authorization ?? "") ?? [];
        if (!this.tokens.includes(token)) {
          json(response, 401, { message: "Bad credentials" });
          return;
        }
        const { email, ...user } = this.#person;
        const emails = [{ email, primary: true, verified: true }];
        json(response, 200, url.pathname === "/user" ? user : emails);
        return;
      }
      default:
        json(response, 404, { message: "Not Found" });
    }
  }

  #grant(asked: URLSearchParams): string {
    const code = randomUUID();
    this.#grants.set(code, asked);
    return code;
  }

  /** A token for a code, once; GitHub refuses with 200 too. */
  #redeem(form: URLSearchParams): object {
    const asked = this.#grants.get(form.get("code") ?? "");
    this.#grants.delete(form.get("code") ?? "");
    const hash = createHash("sha256").update(form.get("code_verifier") ?? "");
    const isRight =
      asked !== undefined &&
      asked.get("code_challenge_method") === "S256" &&
      asked.get("code_challenge") === hash.digest("base64url") &&
      asked.get("redirect_uri") === form.get("redirect_uri") &&
      form.get("client_id") === CLIENT_ID &&
      form.get("client_secret") === CLIENT_SECRET;
    if (!isRight) return { error: "bad_verification_code" };
    const token = `gho_${randomUUID()}`;
    this.tokens.push(token);
    return { access_token: token, token_type: "bearer", scope: asked.get("scope") };
  }
}

/** Where somebody agrees, or does not. What the service asked for goes back with them. */
function page(code: string, asked: URLSearchParams, person: Octocat): string {
  const back = (answer: Record<string, string>): string => {
    const url = new URL(asked.get("redirect_uri") ?? "");
    url.search = new URLSearchParams({ ...answer, state: asked.get("state") ?? "" }).toString();
    return url.href.replaceAll("&", "&amp;");
  };
  return `<!doctype html><html lang="en"><title>Authorize</title>
    <link rel="icon" href="data:,">
    <h1>Let Levee know that you are ${person.login}?</h1>
    <button onclick="location.href = this.value" value="${back({ code })}">Authorize</button>
    <button onclick="location.href = this.value"
      value="${back({ error: "access_denied" })}">Cancel</button></html>`;
}

function json(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(body));
}

// Fluid's services of one document.

import type {
  ConnectionMode,
  IClient,
  IDocumentService,
  IDocumentServicePolicies,
  IResolvedUrl,
} from "@fluidframework/driver-definitions/legacy";
import { Backoff, pause } from "./backoff.ts";
import { fromBase64Url } from "./base64.ts";
import type { LeveeResolvedUrl, SerializationFormat, TokenProvider } from "./contracts.ts";
import { LeveeDeltaConnection } from "./deltaConnection.ts";
import { LeveeDeltaStorageService } from "./deltaStorageService.ts";
import { Emitter } from "./emitter.ts";
import { canRetry, isAuthorizationFault, LeveeError, tokenError } from "./errors.ts";
import { RestWrapper } from "./rest.ts";
import { LeveeStorageService } from "./storageService.ts";
import { asLeveeUrl } from "./urlResolver.ts";

/** Between attempts to connect; a service that comes back is found about this soon. */
const CONNECT_BACKOFF = { initialMs: 100, maxMs: 2000 };
/**
 * How long one call of Fluid's tries to connect. Fluid then waits some seconds itself, and calls
 * again.
 */
const CONNECT_BUDGET_MS = 8000;

/** How long a connection must stand to be called one. */
const STABLE_MS = 5000;

/** The events of {@link LeveeDocumentService}, as Fluid has them. This service has no metadata. */
export type DocumentServiceEvents = {
  metadataUpdate: readonly [metadata: Record<string, string>];
};

/** Told of every connection that was made. */
export type ConnectionListener = (connection: LeveeDeltaConnection) => void;

/** Fluid's services of one document. */
export class LeveeDocumentService
  extends Emitter<DocumentServiceEvents>
  implements IDocumentService
{
  readonly policies: IDocumentServicePolicies = { supportGetSnapshotApi: true };
  readonly resolvedUrl: IResolvedUrl;

  readonly #url: LeveeResolvedUrl;
  readonly #tokenProvider: TokenProvider;
  readonly #debug: boolean | undefined;
  readonly #rest: RestWrapper;
  readonly #disposal = new AbortController();
  readonly #backoff = new Backoff(CONNECT_BACKOFF);
  readonly #onConnection: ConnectionListener | undefined;
  #serialization: SerializationFormat;

  constructor(
    resolvedUrl: IResolvedUrl,
    tokenProvider: TokenProvider,
    debug?: boolean,
    serialization: SerializationFormat = "json",
    onConnection?: ConnectionListener,
  ) {
    super();
    this.resolvedUrl = resolvedUrl;
    this.#url = asLeveeUrl(resolvedUrl);
    this.#tokenProvider = tokenProvider;
    this.#debug = debug;
    this.#serialization = serialization;
    this.#onConnection = onConnection;
    const { httpUrl, tenantId, documentId } = this.#url;
    this.#rest = new RestWrapper(httpUrl, tokenProvider, tenantId, documentId, undefined, debug);
  }

  get disposed(): boolean {
    return this.#disposal.signal.aborted;
  }

  /** How the next connection is written. */
  get serialization(): SerializationFormat {
    return this.#serialization;
  }

  set serialization(format: SerializationFormat) {
    this.#serialization = format;
  }

  async connectToStorage(): Promise<LeveeStorageService> {
    return new LeveeStorageService(this.#rest, this.#url.tenantId, this.#url.documentId);
  }

  async connectToDeltaStorage(): Promise<LeveeDeltaStorageService> {
    return new LeveeDeltaStorageService(this.#rest, this.#url.endpoints.deltaStorageUrl);
  }

  /**
   * Connects; tries for some seconds when the service cannot be reached.
   *
   * @throws {@link LeveeError}: Fluid calls again where `canRetry` is true
   */
  async connectToDeltaStream(client: IClient): Promise<LeveeDeltaConnection> {
    const giveUpMs = performance.now() + CONNECT_BUDGET_MS;
    for (;;) {
      await pause(this.#backoff.delayMs(), this.#disposal.signal);
      try {
        return await this.#connect(client);
      } catch (error) {
        if (!canRetry(error)) throw error;
        this.#backoff.failed();
        // Who names a delay wants it kept; and Fluid tells the app of it.
        const isLate = performance.now() + this.#backoff.delayMs() > giveUpMs;
        if (isLate || (error as LeveeError).retryAfterSeconds !== undefined) throw error;
      }
    }
  }

  dispose(_error?: unknown): void {
    this.#disposal.abort();
  }

  /** One attempt, and another with a fresh token if the token was refused. */
  async #connect(client: IClient): Promise<LeveeDeltaConnection> {
    try {
      return await this.#connectOnce(client, false);
    } catch (error) {
      if (!isAuthorizationFault(error)) throw error;
      return await this.#connectOnce(client, true);
    }
  }

  async #connectOnce(client: IClient, refreshToken: boolean): Promise<LeveeDeltaConnection> {
    const { socketUrl, tenantId, documentId } = this.#url;
    const token = await this.#token(refreshToken);
    if (this.disposed) {
      throw new LeveeError("the document service was disposed", "genericNetworkError", {
        canRetry: false,
      });
    }
    const connection = await LeveeDeltaConnection.create(
      socketUrl,
      tenantId,
      documentId,
      token,
      client,
      allowedMode(client.mode, token),
      this.#debug,
      this.#serialization,
    );
    this.#watch(connection);
    this.#onConnection?.(connection);
    return connection;
  }

  /** All clients of a service that goes lose it at once; they must not come back at once. */
  #watch(connection: LeveeDeltaConnection): void {
    const failures = this.#backoff.failures;
    const sinceMs = performance.now();
    this.#backoff.succeeded();
    connection.on("disconnect", () => {
      // A connection that was lost as soon as it was made was no success.
      const stood = performance.now() - sinceMs > STABLE_MS;
      this.#backoff.failed(stood ? 1 : failures + 1);
    });
  }

  async #token(refresh: boolean): Promise<string> {
    const { tenantId, documentId } = this.#url;
    try {
      const { jwt } = await this.#tokenProvider.fetchOrdererToken(tenantId, documentId, refresh);
      return jwt;
    } catch (error) {
      throw tokenError(error);
    }
  }
}

/** The mode to ask for: who may only read is not to be refused for the wish to write. */
function allowedMode(wanted: ConnectionMode, token: string): ConnectionMode {
  if (wanted !== "write") return wanted;
  try {
    const claims = new TextDecoder().decode(fromBase64Url(token.split(".")[1] ?? ""));
    const { scopes } = JSON.parse(claims) as { readonly scopes?: unknown };
    return Array.isArray(scopes) && !scopes.includes("doc:write") ? "read" : "write";
  } catch {
    // The service will say what is wrong with it.
    return wanted;
  }
}

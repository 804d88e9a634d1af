import type {
  IDocumentServiceFactory,
  IResolvedUrl,
  ISummaryTree,
} from "@fluidframework/driver-definitions/legacy";
import type { SerializationFormat, TokenProvider } from "./contracts.ts";
import { type ConnectionListener, LeveeDocumentService } from "./documentService.ts";
import { LeveeError } from "./errors.ts";
import { RestWrapper } from "./rest.ts";
import { uploadNode } from "./summary.ts";
import { asLeveeUrl, withDocument } from "./urlResolver.ts";

/** The document that the token for a create names. */
const NEW_DOCUMENT = "__new__";
/** The first summary of a document may be large. */
const CREATE_TIMEOUT_MS = 120_000;

/** Makes Fluid's services for documents of a Levee service. */
export class LeveeDocumentServiceFactory implements IDocumentServiceFactory {
  readonly protocolName = "levee";

  readonly #tokenProvider: TokenProvider;
  readonly #debug: boolean | undefined;
  readonly #listeners = new Set<ConnectionListener>();
  #serialization: SerializationFormat;

  constructor(
    tokenProvider: TokenProvider,
    debug?: boolean,
    serialization: SerializationFormat = "json",
  ) {
    this.#tokenProvider = tokenProvider;
    this.#debug = debug;
    this.#serialization = serialization;
  }

  /** How connections are written, of services that are made from now on. */
  get serialization(): SerializationFormat {
    return this.#serialization;
  }

  set serialization(format: SerializationFormat) {
    this.#serialization = format;
  }

  /**
   * Tells of every connection that a document service of this factory makes: the way to what
   * Fluid does not know, as {@link LeveeDeltaConnection.presence}.
   *
   * @returns stops telling
   */
  onConnection(listener: ConnectionListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async createDocumentService(
    resolvedUrl: IResolvedUrl,
    _logger?: unknown,
    _clientIsSummarizer?: boolean,
  ): Promise<LeveeDocumentService> {
    return new LeveeDocumentService(
      resolvedUrl,
      this.#tokenProvider,
      this.#debug,
      this.#serialization,
      (connection) => {
        for (const listener of this.#listeners) listener(connection);
      },
    );
  }

  /**
   * Creates a document with this summary; the service gives it its id.
   *
   * @param createNewSummary - without it Fluid would upload blobs first and the summary at the end;
   * a document of this service begins with its summary, and blobs are uploaded when it exists
   * @throws {@link RestError}
   */
  async createContainer(
    createNewSummary: ISummaryTree | undefined,
    createNewResolvedUrl: IResolvedUrl,
    logger?: unknown,
    clientIsSummarizer?: boolean,
  ): Promise<LeveeDocumentService> {
    if (createNewSummary === undefined) {
      throw new LeveeError(
        "blobs can be uploaded only after the container is attached",
        "usageError",
        {
          canRetry: false,
        },
      );
    }
    const url = asLeveeUrl(createNewResolvedUrl);
    const rest = new RestWrapper(
      url.httpUrl,
      this.#tokenProvider,
      url.tenantId,
      NEW_DOCUMENT,
      CREATE_TIMEOUT_MS,
      this.#debug,
    );
    const id = await rest.post<unknown>(`/documents/${encodeURIComponent(url.tenantId)}`, {
      summary: uploadNode(createNewSummary),
    });
    if (typeof id !== "string" || id === "") {
      throw new LeveeError("the service names no new document", "incorrectServerResponse", {
        canRetry: false,
      });
    }
    return this.createDocumentService(withDocument(url, id), logger, clientIsSummarizer);
  }
}

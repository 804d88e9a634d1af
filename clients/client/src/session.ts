import type { ITelemetryBaseLogger } from "@fluidframework/core-interfaces";
import type { ISummaryTree } from "@fluidframework/driver-definitions";
import { SummaryType } from "@fluidframework/driver-definitions";
import type {
  IDocumentService,
  IDocumentServiceFactory,
  IResolvedUrl,
} from "@fluidframework/driver-definitions/internal";
import type { LeveeDocumentServiceFactory } from "levee-driver";
import type { PresenceLink } from "./presence.ts";

/** The contents of blobs that are stored beside a document's state, by their ids. */
export type Attachments = ReadonlyMap<string, Uint8Array>;

/** Whoever wants to know of a document's connections. */
export interface Follower {
  connect(link: PresenceLink): void;
  disconnect(): void;
}

/**
 * The driver of one open document. It shows the document's connections to its presence, and gives
 * a copied document the blobs that belong to it.
 */
export class SessionFactory implements IDocumentServiceFactory {
  readonly #driver: LeveeDocumentServiceFactory;
  readonly #summarizerDriver: LeveeDocumentServiceFactory;
  readonly #attachments: Attachments | undefined;
  #follower: Follower | undefined;
  #link: PresenceLink | undefined;

  /** `attachments` are what a copied document's state refers to; absent for every other one. */
  constructor(makeDriver: () => LeveeDocumentServiceFactory, attachments: Attachments | undefined) {
    this.#driver = makeDriver();
    this.#driver.onConnection((connection) => this.#connected(connection));
    // The summarizer is a connection of its own, and nobody's presence.
    this.#summarizerDriver = makeDriver();
    this.#attachments = attachments;
  }

  /** Tells `follower` of the connection that stands, and of every one to come. */
  follow(follower: Follower): void {
    this.#follower = follower;
    if (this.#link !== undefined) follower.connect(this.#link);
  }

  async createDocumentService(
    resolvedUrl: IResolvedUrl,
    logger?: ITelemetryBaseLogger,
    clientIsSummarizer?: boolean,
  ): Promise<IDocumentService> {
    const driver = clientIsSummarizer === true ? this.#summarizerDriver : this.#driver;
    return driver.createDocumentService(resolvedUrl, logger, clientIsSummarizer);
  }

  async createContainer(
    summary: ISummaryTree | undefined,
    resolvedUrl: IResolvedUrl,
    logger?: ITelemetryBaseLogger,
    clientIsSummarizer?: boolean,
  ): Promise<IDocumentService> {
    return this.#driver.createContainer(
      this.#attachments === undefined ? summary : withAttachments(summary, this.#attachments),
      resolvedUrl,
      logger,
      clientIsSummarizer,
    );
  }

  /** The document's connection has ended: lost, or given up by Fluid. */
  disconnected(): void {
    this.#link = undefined;
    this.#follower?.disconnect();
  }

  #connected(link: PresenceLink): void {
    this.#link = link;
    this.#follower?.connect(link);
  }
}

/**
 * The same summary with its attachments as plain blobs. The new document has no objects yet that an
 * attachment could name; a blob of the same contents gets the same id, since ids are hashes.
 */
function withAttachments(
  summary: ISummaryTree | undefined,
  attachments: Attachments,
): ISummaryTree {
  if (summary === undefined) {
    throw new Error("blobs can be added to a copied container once it is attached");
  }
  const entries = Object.entries(summary.tree).map(([name, node]) => {
    if (node.type === SummaryType.Tree) return [name, withAttachments(node, attachments)] as const;
    if (node.type !== SummaryType.Attachment) return [name, node] as const;
    const content = attachments.get(node.id);
    if (content === undefined) throw new Error(`the copied document has no blob ${node.id}`);
    return [name, { type: SummaryType.Blob, content } as const] as const;
  });
  return { ...summary, tree: Object.fromEntries(entries) };
}

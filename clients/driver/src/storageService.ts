// A document's versions and blobs.

import type {
  ICreateBlobResponse,
  IDocumentStorageService,
  ISnapshot,
  ISnapshotFetchOptions,
  ISnapshotTree,
  ISummaryContext,
  ISummaryHandle,
  ISummaryTree,
  IVersion,
} from "@fluidframework/driver-definitions/legacy";
import { fromBase64, toBase64 } from "./base64.ts";
import { RestError } from "./errors.ts";
import type {
  DocumentVersions,
  GitBlob,
  ObjectReference,
  Snapshot,
  UploadedSummary,
} from "./generated/messages.ts";
import type { RestWrapper } from "./rest.ts";
import { LoadedVersion } from "./snapshot.ts";
import { uploadNode } from "./summary.ts";

/** Whole versions may be large. */
const WHOLE_TIMEOUT_MS = 120_000;
const LATEST = "latest";

/**
 * Fluid's storage of a document. A version is loaded whole, with one request; its blobs are then
 * read from memory. A summary is uploaded with one request, too.
 */
export class LeveeStorageService implements IDocumentStorageService {
  readonly policies: NonNullable<IDocumentStorageService["policies"]> = {};

  readonly #rest: RestWrapper;
  readonly #documentId: string;
  readonly #repository: string;
  /** The version that was loaded last. Its blobs are read lazily, as Fluid's data stores are. */
  #loaded: LoadedVersion | undefined;
  #disposed = false;

  constructor(rest: RestWrapper, tenantId: string, documentId: string) {
    this.#rest = rest;
    this.#documentId = documentId;
    this.#repository = `/repos/${encodeURIComponent(tenantId)}`;
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  /**
   * The versions from `versionId` on (null: the latest), newest first, at most `count`.
   *
   * One version comes with its whole snapshot, because that is what is asked for next.
   *
   * @throws {@link RestError}; 404 if there is no such version
   */
  async getVersions(versionId: string | null, count: number): Promise<IVersion[]> {
    const start = versionId === this.#documentId ? null : versionId;
    if (count === 1) {
      const { id, treeId } = await this.#load(start ?? LATEST);
      return [{ id, treeId }];
    }
    const query = `sha=${encodeURIComponent(start ?? this.#documentId)}&count=${count}`;
    const commits = await this.#rest.get<DocumentVersions>(`${this.#repository}/commits?${query}`);
    return commits.map(({ sha, commit }) => {
      const date = commit.committer.date ?? commit.author.date;
      return {
        id: sha,
        treeId: commit.tree.sha,
        ...(date === undefined ? {} : { date: String(date) }),
      };
    });
  }

  /** @throws {@link RestError}; 404 if there is no such version */
  async getSnapshotTree(version?: IVersion): Promise<ISnapshotTree | null> {
    return (await this.#version(version?.id)).tree;
  }

  /** @throws {@link RestError}; 404 if there is no such version */
  async getSnapshot(options?: ISnapshotFetchOptions): Promise<ISnapshot> {
    return (await this.#version(options?.versionId)).snapshot();
  }

  /** @throws {@link RestError}; 404 if there is no such blob */
  async readBlob(id: string): Promise<ArrayBufferLike> {
    const loaded = this.#loaded?.blob(id);
    if (loaded !== undefined) return loaded;
    const path = `${this.#repository}/git/blobs/${encodeURIComponent(id)}`;
    const { content } = await this.#rest.get<GitBlob>(path);
    return fromBase64(content).buffer;
  }

  /** Stores an attachment. */
  async createBlob(file: ArrayBufferLike): Promise<ICreateBlobResponse> {
    const { sha } = await this.#rest.post<ObjectReference>(
      `${this.#repository}/git/blobs`,
      { content: toBase64(new Uint8Array(file)), encoding: "base64" },
      { timeout: WHOLE_TIMEOUT_MS },
    );
    return { id: sha };
  }

  /**
   * Uploads a summary, and answers the handle for the summarize operation. Parts that have not
   * changed since `context.ackHandle` are named, not sent.
   */
  async uploadSummaryWithContext(summary: ISummaryTree, context: ISummaryContext): Promise<string> {
    const { id } = await this.#rest.post<UploadedSummary>(
      `${this.#repository}/git/summaries`,
      uploadNode(summary, context.ackHandle),
      { timeout: WHOLE_TIMEOUT_MS },
    );
    return id;
  }

  /**
   * A summary, or the part of one that a handle names: a version's id, with a path below it or
   * without; a path alone leads into the latest version.
   *
   * @throws {@link RestError}; 404 if there is no such part
   */
  async downloadSummary(handle: ISummaryHandle): Promise<ISummaryTree> {
    const [start, ...path] = handle.handle.split("/");
    const version = await this.#version(start === "" ? undefined : start);
    let tree = version.tree;
    for (const name of path.filter((part) => part !== "").map(decodeURIComponent)) {
      const child = tree.trees[name];
      if (child === undefined) throw new RestError(`no tree at ${handle.handle}`, 404);
      tree = child;
    }
    return version.summary(tree);
  }

  dispose(): void {
    this.#disposed = true;
    this.#loaded = undefined;
  }

  /** A version from memory if it is the one that is there. The latest is always asked for. */
  async #version(id: string | undefined): Promise<LoadedVersion> {
    if (this.#loaded !== undefined && this.#loaded.id === id) return this.#loaded;
    return this.#load(id ?? LATEST);
  }

  async #load(id: string): Promise<LoadedVersion> {
    const path = `${this.#repository}/git/summaries/${encodeURIComponent(id)}`;
    const answer = await this.#rest.get<Snapshot>(path, { timeout: WHOLE_TIMEOUT_MS });
    this.#loaded = new LoadedVersion(answer);
    return this.#loaded;
  }
}

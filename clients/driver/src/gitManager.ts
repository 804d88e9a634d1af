import { toBase64 } from "./base64.ts";
import type {
  GitBlob,
  GitCommit,
  GitCreateCommitRequest,
  GitCreateTreeRequest,
  GitRef,
  GitTree,
} from "./contracts.ts";
import type { RestWrapper } from "./rest.ts";

/** The git objects of a document, one by one. The driver itself loads and stores whole summaries. */
export class GitManager {
  readonly #rest: RestWrapper;
  readonly #git: string;

  /** @param storageUrl - as in `/repos/tenant` */
  constructor(rest: RestWrapper, storageUrl: string) {
    this.#rest = rest;
    this.#git = `${storageUrl.replace(/\/+$/, "")}/git`;
  }

  async getBlob(sha: string): Promise<GitBlob> {
    return this.#rest.get(`${this.#git}/blobs/${encodeURIComponent(sha)}`);
  }

  /** @param content - text, or bytes that are sent as base64 */
  async createBlob(
    content: string | Uint8Array,
    encoding: "utf-8" | "base64" = "utf-8",
  ): Promise<{ sha: string; url: string }> {
    const body =
      typeof content === "string"
        ? { content, encoding }
        : { content: toBase64(content), encoding: "base64" };
    return this.#rest.post(`${this.#git}/blobs`, body);
  }

  async getTree(sha: string, recursive = false): Promise<GitTree> {
    const query = recursive ? "?recursive=1" : "";
    return this.#rest.get(`${this.#git}/trees/${encodeURIComponent(sha)}${query}`);
  }

  async createTree(request: GitCreateTreeRequest): Promise<GitTree> {
    return this.#rest.post(`${this.#git}/trees`, request);
  }

  async getCommit(sha: string): Promise<GitCommit> {
    return this.#rest.get(`${this.#git}/commits/${encodeURIComponent(sha)}`);
  }

  async createCommit(request: GitCreateCommitRequest): Promise<GitCommit> {
    return this.#rest.post(`${this.#git}/commits`, request);
  }

  async getRefs(): Promise<GitRef[]> {
    return this.#rest.get(`${this.#git}/refs`);
  }

  /** @param ref - as in `heads/document` */
  async getRef(ref: string): Promise<GitRef> {
    return this.#rest.get(`${this.#git}/refs/${refPath(ref)}`);
  }

  /** @param ref - as in `heads/document` */
  async updateRef(ref: string, sha: string, force = false): Promise<GitRef> {
    return this.#rest.patch(`${this.#git}/refs/${refPath(ref)}`, { sha, force });
  }
}

function refPath(ref: string): string {
  const name = ref.replace(/^refs\//, "");
  return name.split("/").map(encodeURIComponent).join("/");
}

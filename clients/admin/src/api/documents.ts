// What is stored of a tenant: its documents, their operations, versions and objects. A service that
// does not have these routes answers with an `ApiError` whose `isAbsent` is set.

import { call, path } from "./client.ts";

export interface DocumentRow {
  readonly id: string;
  readonly tenant_id: string;
  readonly sequence_number: number;
  /** ISO 8601; empty when it is not known. */
  readonly created_at: string;
  readonly updated_at: string;
  /** It is in memory. */
  readonly session_alive: boolean;
  /** The commit of its current version. */
  readonly version?: string | null;
}

export interface DocumentMember {
  readonly client_id: string;
  readonly user: string;
  readonly mode: string;
  readonly wire: string;
  /** `null` for one that does not write. */
  readonly client_sequence_number: number | null;
  readonly reference_sequence_number: number | null;
}

export interface DocumentSession {
  readonly current_sn: number;
  readonly current_msn: number;
  /** Operations in memory. */
  readonly history_size: number;
  readonly client_count: number;
  readonly client_ids: readonly string[];
  readonly members?: readonly DocumentMember[];
}

export interface DocumentDetail {
  readonly document: DocumentRow;
  /** `null`: nobody is there. */
  readonly session: DocumentSession | null;
}

export interface Delta {
  readonly sequence_number: number;
  readonly client_id: string | null;
  readonly client_sequence_number: number;
  readonly reference_sequence_number: number;
  readonly minimum_sequence_number: number;
  readonly type: string;
  /** Indented JSON, or the text itself. */
  readonly contents: string;
  readonly metadata: string;
  readonly timestamp: number;
}

export interface Summary {
  readonly handle: string;
  readonly sequence_number: number;
  readonly tree_sha: string;
  readonly commit_sha: string | null;
  readonly parent_handle: string | null;
  readonly message: string | null;
  readonly created_at: string;
}

export interface TreeEntry {
  readonly path: string;
  readonly mode: string;
  readonly sha: string;
  readonly type: "blob" | "tree";
}

export interface Blob {
  readonly sha: string;
  /** Bytes. */
  readonly size: number;
  readonly content: string;
  /** Otherwise `content` is what is readable of it. */
  readonly is_text?: boolean;
}

type Signal = AbortSignal | undefined;

const get = <T>(url: string, signal: Signal) => call<T>("GET", url, { signal });

/** A page of something, and where the next one starts. */
export interface Page<T> {
  readonly rows: readonly T[];
  readonly next: string | undefined;
}

export const documents = {
  list: async (
    tenant: string,
    query: { search: string; from: string | undefined; limit: number },
    signal?: Signal,
  ): Promise<Page<DocumentRow>> => {
    const url = path(["tenants", tenant, "documents"], query);
    const body = await get<{ documents: DocumentRow[]; next?: string | null }>(url, signal);
    return { rows: body.documents, next: body.next ?? undefined };
  },
  show: (tenant: string, document: string, signal?: Signal) =>
    get<DocumentDetail>(path(["tenants", tenant, "documents", document]), signal),
  remove: (tenant: string, document: string) =>
    call<unknown>("DELETE", path(["tenants", tenant, "documents", document])),
  /** Operations after `from`, up to and with `to`, in order. */
  deltas: (
    tenant: string,
    document: string,
    range: { from: number; to?: number; limit: number },
    signal?: Signal,
  ) =>
    get<{ deltas: Delta[] }>(
      path(["tenants", tenant, "documents", document, "deltas"], range),
      signal,
    ).then((x) => x.deltas),
  /** Versions, newest first. */
  summaries: async (
    tenant: string,
    document: string,
    query: { start?: string | undefined; limit: number },
    signal?: Signal,
  ): Promise<Page<Summary>> => {
    const url = path(["tenants", tenant, "documents", document, "summaries"], query);
    const body = await get<{ summaries: Summary[]; next?: string | null }>(url, signal);
    return { rows: body.summaries, next: body.next ?? undefined };
  },
  tree: (
    tenant: string,
    document: string,
    sha: string,
    options: { recursive?: 1 },
    signal?: Signal,
  ) =>
    get<{ tree: { tree: TreeEntry[] } }>(
      path(["tenants", tenant, "git", "trees", sha], { document, ...options }),
      signal,
    ).then((x) => x.tree.tree),
  blob: (tenant: string, document: string, sha: string, signal?: Signal) =>
    get<{ blob: Blob }>(path(["tenants", tenant, "git", "blobs", sha], { document }), signal).then(
      (x) => x.blob,
    ),
};

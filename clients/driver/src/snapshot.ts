// A version of a document in one piece, as the service's whole-summary route answers it.

import type {
  ISnapshot,
  ISnapshotTree,
  ISummaryTree,
} from "@fluidframework/driver-definitions/legacy";
import { fromBase64 } from "./base64.ts";
import { LeveeError } from "./errors.ts";
import type { Snapshot } from "./generated/messages.ts";
import { SUMMARY_BLOB, SUMMARY_TREE } from "./summary.ts";

type Blob = Snapshot["blobs"][number];
type Entry = Snapshot["trees"][number]["entries"][number];

/** Where the app's part of a version stands in the answer. Fluid wants it at the root. */
const APP = ".app";

/** A version that was loaded, with its blobs. */
export class LoadedVersion {
  /** The version. */
  readonly id: string;
  /** Of its tree. */
  readonly treeId: string;
  /** The last operation that the version contains. */
  readonly sequenceNumber: number;
  readonly tree: ISnapshotTree;
  readonly #blobs: ReadonlyMap<string, Blob>;

  /** @throws {@link LeveeError} of type `incorrectServerResponse` when the answer has holes */
  constructor({ id, trees, blobs }: Snapshot) {
    const [root] = trees;
    if (root === undefined) throw hole("the root");
    this.id = id;
    this.treeId = root.id;
    this.sequenceNumber = root.sequenceNumber;
    this.#blobs = new Map(blobs.map((blob) => [blob.id, blob]));
    this.tree = snapshotTree(id, root.entries);
  }

  /** The bytes of a blob of this version. */
  blob(id: string): ArrayBuffer | undefined {
    const blob = this.#blobs.get(id);
    return blob === undefined ? undefined : bytesOf(blob).buffer;
  }

  /** In the form of Fluid's `getSnapshot`. */
  snapshot(): ISnapshot {
    const contents = Array.from(this.#blobs.values(), (blob) => {
      return [blob.id, bytesOf(blob).buffer] as const;
    });
    return {
      snapshotTree: this.tree,
      blobContents: new Map(contents),
      ops: [],
      sequenceNumber: this.sequenceNumber,
      latestSequenceNumber: undefined,
      snapshotFormatV: 1,
    };
  }

  /** A part of the version as a summary that could be uploaded again. */
  summary(tree: ISnapshotTree = this.tree): ISummaryTree {
    const parts: ISummaryTree["tree"] = {};
    for (const [name, child] of Object.entries(tree.trees)) parts[name] = this.summary(child);
    for (const [name, id] of Object.entries(tree.blobs)) {
      const blob = this.#blobs.get(id);
      if (blob === undefined) throw hole(name);
      const content = blob.encoding === "base64" ? bytesOf(blob) : blob.content;
      parts[name] = { type: SUMMARY_BLOB, content };
    }
    return { type: SUMMARY_TREE, tree: parts };
  }
}

function bytesOf(blob: Blob): Uint8Array<ArrayBuffer> {
  if (blob.encoding === "base64") return fromBase64(blob.content);
  // Encoders answer views of buffers of exactly their size.
  return new TextEncoder().encode(blob.content) as Uint8Array<ArrayBuffer>;
}

function emptyTree(id?: string): ISnapshotTree {
  const tree = { blobs: {}, trees: {} };
  return id === undefined ? tree : { id, ...tree };
}

/** Names in a path are URI components. */
function snapshotTree(id: string, entries: readonly Entry[]): ISnapshotTree {
  const root = emptyTree(id);
  const trees = new Map<string, ISnapshotTree>([
    ["", root],
    [APP, root],
  ]);
  for (const { path, type, id: blobId } of entries) {
    if (path === APP) continue;
    const at = path.lastIndexOf("/");
    const parent = trees.get(path.slice(0, Math.max(at, 0)));
    if (parent === undefined) throw hole(path);
    const name = decodeURIComponent(path.slice(at + 1));
    if (type === "tree") {
      const child = emptyTree();
      parent.trees[name] = child;
      trees.set(path, child);
    } else {
      if (blobId === undefined) throw hole(path);
      parent.blobs[name] = blobId;
    }
  }
  return root;
}

function hole(path: string): LeveeError {
  return new LeveeError(`the snapshot lacks what belongs to ${path}`, "incorrectServerResponse", {
    canRetry: false,
  });
}

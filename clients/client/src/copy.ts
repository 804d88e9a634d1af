import type { IRuntime } from "@fluidframework/container-definitions/internal";
import { LoaderHeader } from "@fluidframework/container-definitions/internal";
import {
  type ILoaderProps,
  loadExistingContainer,
} from "@fluidframework/container-loader/internal";
import type { IRequest } from "@fluidframework/core-interfaces";
import {
  type ISummaryTree,
  type SummaryObject,
  SummaryType,
} from "@fluidframework/driver-definitions";
import type { IDocumentStorageService } from "@fluidframework/driver-definitions/internal";
import { codeDetails, type RuntimeFactory } from "./runtime.ts";
import type { Attachments } from "./session.ts";

/** The runtime's own full summary. Official, but not in the interface that runtimes are known by. */
interface SummarizingRuntime extends IRuntime {
  summarize(options: {
    fullTree: boolean;
    trackState: boolean;
    runGC: boolean;
  }): Promise<{ summary: ISummaryTree }>;
}

/** Parts of a document's state that are of its clients, not of its contents. */
const OF_ITS_CLIENTS = [".electedSummarizer"];

/** A document's whole state, in the form that a detached container is made from. */
export interface TakenState {
  readonly serializedState: string;
  /** The ids of the blobs that are stored beside the state. */
  readonly attachments: ReadonlySet<string>;
}

/**
 * Reads a document's state, with every operation that was sequenced since its last version unless
 * `request` names a version. It makes no connection: the audience does not see it.
 */
export async function takeState(
  loaderProps: ILoaderProps,
  runtimes: RuntimeFactory,
  request: IRequest,
): Promise<TakenState> {
  const ops = request.headers?.[LoaderHeader.version] === undefined ? "all" : undefined;
  const container = await loadExistingContainer({
    ...loaderProps,
    request: {
      ...request,
      headers: {
        ...request.headers,
        [LoaderHeader.loadMode]: { opsBeforeReturn: ops, deltaConnection: "none" },
      },
    },
  });
  try {
    container.forceReadonly?.(true);
    const runtime = runtimes.latest as SummarizingRuntime | undefined;
    if (runtime === undefined) throw new Error("a loaded container has no runtime");
    const { summary } = await runtime.summarize({
      fullTree: true,
      trackState: false,
      runGC: false,
    });
    for (const name of OF_ITS_CLIENTS) delete summary.tree[name];
    const { lastSequenceNumber, minimumSequenceNumber } = container.deltaManager;
    const whole: ISummaryTree = {
      type: SummaryType.Tree,
      tree: {
        ".app": asText(summary),
        ".protocol": protocolTree(lastSequenceNumber, minimumSequenceNumber),
      },
    };
    return { serializedState: JSON.stringify(whole), attachments: attachmentsOf(summary) };
  } finally {
    container.dispose();
  }
}

/** Reads the blobs that are stored beside a document's state. */
export async function readAttachments(
  storage: IDocumentStorageService,
  ids: ReadonlySet<string>,
): Promise<Attachments> {
  const blobs = new Map<string, Uint8Array>();
  for (const id of ids) blobs.set(id, new Uint8Array(await storage.readBlob(id)));
  return blobs;
}

/** The quorum of a document that nobody has joined yet, at the sequence number of its contents. */
function protocolTree(sequenceNumber: number, minimumSequenceNumber: number): ISummaryTree {
  const code = {
    key: "code",
    value: codeDetails,
    approvalSequenceNumber: 0,
    commitSequenceNumber: 0,
    sequenceNumber: 0,
  };
  return {
    type: SummaryType.Tree,
    tree: {
      attributes: blob({ sequenceNumber, minimumSequenceNumber }),
      quorumMembers: blob([]),
      quorumProposals: blob([]),
      quorumValues: blob([["code", code]]),
    },
  };
}

function blob(value: unknown) {
  return { type: SummaryType.Blob, content: JSON.stringify(value) } as const;
}

/** The same tree with every blob as text: the form that detached containers are kept in is JSON. */
function asText(tree: ISummaryTree): ISummaryTree {
  const entries = Object.entries(tree.tree).map(([name, node]) => [name, nodeAsText(node)]);
  return { ...tree, tree: Object.fromEntries(entries) };
}

function nodeAsText(node: SummaryObject): SummaryObject {
  if (node.type === SummaryType.Tree) return asText(node);
  if (node.type !== SummaryType.Blob || typeof node.content === "string") return node;
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return { type: node.type, content: decoder.decode(node.content) };
}

function attachmentsOf(tree: ISummaryTree): Set<string> {
  const ids = new Set<string>();
  for (const node of Object.values(tree.tree)) {
    if (node.type === SummaryType.Attachment) ids.add(node.id);
    if (node.type === SummaryType.Tree) for (const id of attachmentsOf(node)) ids.add(id);
  }
  return ids;
}

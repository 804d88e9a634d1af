// Summaries as they are uploaded: the whole of one in one body.

import type {
  ISummaryTree,
  SummaryObject,
  SummaryType,
} from "@fluidframework/driver-definitions/legacy";
import { toBase64 } from "./base64.ts";
import { LeveeError } from "./errors.ts";
import type { SummaryNode } from "./generated/messages.ts";

/** The values of Fluid's `SummaryType`; a type only, so that the package loads nothing of Fluid's. */
export const SUMMARY_TREE: SummaryType.Tree = 1;
export const SUMMARY_BLOB: SummaryType.Blob = 2;
export const SUMMARY_HANDLE: SummaryType.Handle = 3;
export const SUMMARY_ATTACHMENT: SummaryType.Attachment = 4;

/**
 * A summary in the form of the service's routes.
 *
 * @param parent - the version that handles lead into; without it they lead into the current one
 */
export function uploadNode(node: SummaryObject, parent?: string): SummaryNode {
  switch (node.type) {
    case SUMMARY_TREE: {
      const parts = Object.entries((node as ISummaryTree).tree).map(
        ([name, part]) => [name, uploadNode(part, parent)] as const,
      );
      return { type: SUMMARY_TREE, tree: Object.fromEntries(parts) };
    }
    case SUMMARY_BLOB:
      return typeof node.content === "string"
        ? { type: SUMMARY_BLOB, content: node.content }
        : { type: SUMMARY_BLOB, content: toBase64(node.content), encoding: "base64" };
    case SUMMARY_HANDLE:
      return { id: `${parent ?? ""}/${node.handle.replace(/^\//, "")}` };
    case SUMMARY_ATTACHMENT:
      return { id: node.id };
    default:
      throw new LeveeError("the summary has a node of an unknown type", "usageError", {
        canRetry: false,
      });
  }
}

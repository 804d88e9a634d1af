// What is not the same in two trees.

import type { TreeEntry } from "../api/documents.ts";

export interface Change {
  readonly path: string;
  readonly kind: "added" | "removed" | "changed";
}

/** Blobs by path, whole trees on both sides; in the order of the paths. */
export function compare(
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
): readonly Change[] {
  const [old, now] = [blobs(before), blobs(after)];
  const paths = [...new Set([...old.keys(), ...now.keys()])].sort();
  return paths.flatMap((path): Change[] => {
    const [was, is] = [old.get(path), now.get(path)];
    if (was === is) return [];
    return [{ path, kind: was === undefined ? "added" : is === undefined ? "removed" : "changed" }];
  });
}

function blobs(tree: readonly TreeEntry[]): ReadonlyMap<string, string> {
  return new Map(
    tree.filter((entry) => entry.type === "blob").map((entry) => [entry.path, entry.sha]),
  );
}

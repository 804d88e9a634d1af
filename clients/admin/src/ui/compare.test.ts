import { expect, it } from "vitest";
import type { TreeEntry } from "../api/documents.ts";
import { compare } from "./compare.ts";

const blob = (path: string, sha: string): TreeEntry => ({
  path,
  sha,
  mode: "100644",
  type: "blob",
});

it("tells blobs that were added, removed and changed", () => {
  const folder: TreeEntry = { path: "d", sha: "1", mode: "40000", type: "tree" };
  const before = [folder, blob("d/a", "1"), blob("d/b", "2"), blob("gone", "3")];
  const after = [{ ...folder, sha: "2" }, blob("d/a", "1"), blob("d/b", "4"), blob("a new", "5")];
  expect(compare(before, after)).toEqual([
    { path: "a new", kind: "added" },
    { path: "d/b", kind: "changed" },
    { path: "gone", kind: "removed" },
  ]);
  expect(compare(after, after)).toEqual([]);
});

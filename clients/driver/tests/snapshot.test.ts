// Versions whose answer cannot be trusted.

import { expect, test } from "vitest";
import type { Snapshot } from "../src/generated/messages.ts";
import { LoadedVersion } from "../src/snapshot.ts";

type Entries = Snapshot["trees"][number]["entries"];

function answer(entries: Entries, blobs: Snapshot["blobs"] = []): Snapshot {
  return { id: "v", trees: [{ id: "t", sequenceNumber: 7, entries }], blobs };
}

const tree = (path: string): Entries[number] => ({ path, type: "tree" });
const blob = (path: string, id?: string): Entries[number] => ({
  path,
  type: "blob",
  ...(id === undefined ? {} : { id }),
});

test("names are decoded, and a slash inside one stays inside", () => {
  const entries = [tree(".app"), tree(".app/a%2Fb"), blob(".app/a%2Fb/c%20d", "1"), tree("x")];
  const version = new LoadedVersion(
    answer(entries, [{ id: "1", content: "/w==", encoding: "base64", size: 1 }]),
  );
  expect(version).toMatchObject({ id: "v", treeId: "t", sequenceNumber: 7 });
  expect(version.tree).toEqual({
    id: "v",
    blobs: {},
    trees: {
      "a/b": { blobs: { "c d": "1" }, trees: {} },
      x: { blobs: {}, trees: {} },
    },
  });
  expect(new Uint8Array(version.blob("1") ?? new ArrayBuffer(0))).toEqual(new Uint8Array([255]));
  expect(version.blob("2")).toBeUndefined();
});

test.each([
  ["no tree", { ...answer([]), trees: [] }],
  ["an entry without its parent", answer([blob("a/b", "1")])],
  ["an entry below a blob", answer([blob("a", "1"), blob("a/b", "2")])],
  ["a blob without an id", answer([blob("a")])],
])("%s is told", (_what, snapshot) => {
  expect(() => new LoadedVersion(snapshot)).toThrow(
    expect.objectContaining({ errorType: "incorrectServerResponse", canRetry: false }),
  );
});

test("a summary of a version that lacks a blob is told", () => {
  const version = new LoadedVersion(answer([blob("a", "1")]));
  expect(() => version.summary()).toThrow(/lacks what belongs to a/);
});

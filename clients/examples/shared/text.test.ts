import type { TextAsTree } from "fluid-framework/alpha";
import { Random, seed } from "levee-testkit/random";
import { expect, test } from "vitest";
import { applied, difference, moved } from "./text.ts";

type Op = TextAsTree.TextOp;

test("one replacement says what was typed", () => {
  const said = (before: string, after: string) => difference([...before], [...after]);
  expect(said("same", "same")).toBeUndefined();
  expect(said("", "new")).toEqual({ at: 0, removed: 0, inserted: "new" });
  expect(said("gone", "")).toEqual({ at: 0, removed: 4, inserted: "" });
  expect(said("milk and tea", "milk or tea")).toEqual({ at: 5, removed: 3, inserted: "or" });
  // The letter before it is the same: it could as well be the first one.
  expect(said("aa", "aaa")).toEqual({ at: 2, removed: 0, inserted: "a" });
  expect(said("a😀c", "a😁c")).toEqual({ at: 1, removed: 1, inserted: "😁" });
});

test("a replacement makes the new text of the old one, whatever they are", () => {
  const random = new Random(seed);
  for (let round = 0; round < 2000; round++) {
    const text = () => [...Array(random.below(8))].map(() => random.pick([..."aab😀"]));
    const [before, after] = [text(), text()];
    const { at, removed, inserted } = difference(before, after) ?? {
      at: 0,
      removed: 0,
      inserted: "",
    };
    const made = [...before.slice(0, at), ...inserted, ...before.slice(at + removed)];
    expect(made).toEqual(after);
  }
});

test("a caret stays with the letter that it stood before", () => {
  const inserted: Op[] = [
    { type: "retain", count: 2 },
    { type: "insert", text: "😀x" },
  ];
  expect([0, 1, 2, 3].map((at) => moved(at, inserted, false))).toEqual([0, 1, 2, 5]);
  expect(moved(2, inserted, true)).toBe(4);
  const removed: Op[] = [
    { type: "retain", count: 1 },
    { type: "remove", count: 2 },
  ];
  expect([0, 1, 2, 3, 4].map((at) => moved(at, removed, false))).toEqual([0, 1, 1, 1, 2]);
});

test("operations are applied in order", () => {
  const ops: Op[] = [
    { type: "retain", count: 1 },
    { type: "remove", count: 2 },
    { type: "insert", text: "😀" },
  ];
  expect(applied([..."abcde"], ops).join("")).toBe("a😀de");
});

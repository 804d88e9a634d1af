// Binds a text box to a text in a SharedTree, so that several people can type in it at once.

import type { TextAsTree } from "fluid-framework/alpha";

type Field = HTMLInputElement | HTMLTextAreaElement;
type Ops = readonly TextAsTree.TextOp[];

/** One replacement, in code points. */
interface Replacement {
  readonly at: number;
  readonly removed: number;
  readonly inserted: string;
}

/** Keeps `field` and `text` the same; answers how to stop. */
export function bindText(field: Field, text: TextAsTree.Tree): () => void {
  /** What the field showed when it was last the same as the text. */
  let base = text.charactersCopy();
  /** What others did while an input method holds the field. */
  let waiting: Ops[] = [];
  let isComposing = false;
  let isWriting = false;

  const write = () => {
    const change = difference(base, [...field.value]);
    isWriting = true;
    for (const ops of waiting) base = applied(base, ops);
    if (change !== undefined) {
      const { at, removed } = change;
      const from = waiting.reduce((at, ops) => moved(at, ops, removed > 0), at);
      const to = Math.max(
        from,
        waiting.reduce((at, ops) => moved(at, ops, false), at + removed),
      );
      if (to > from) text.removeRange(from, to);
      if (change.inserted !== "") text.insertAt(from, change.inserted);
    }
    isWriting = false;
    const isBehind = waiting.length > 0;
    waiting = [];
    base = text.charactersCopy();
    if (isBehind) field.value = base.join("");
  };
  const read = (ops: Ops | undefined) => {
    if (isWriting) return;
    if (isComposing && ops !== undefined) {
      waiting.push(ops);
      return;
    }
    const caret = (at: number | null) => {
      const points = [...field.value.slice(0, at ?? 0)].length;
      return ops === undefined ? points : moved(points, ops, false);
    };
    const [start, end] = [caret(field.selectionStart), caret(field.selectionEnd)];
    base = text.charactersCopy();
    field.value = base.join("");
    if (document.activeElement === field) {
      const units = (points: number) => base.slice(0, points).join("").length;
      field.setSelectionRange(units(start), units(end));
    }
  };
  const stops = [
    text.onCharactersChanged(read),
    listen(field, "input", () => isComposing || write()),
    listen(field, "compositionstart", () => {
      isComposing = true;
    }),
    listen(field, "compositionend", () => {
      isComposing = false;
      write();
    }),
  ];
  field.value = base.join("");
  return () => {
    for (const stop of stops) stop();
  };
}

function listen(field: Field, event: string, listener: () => void): () => void {
  field.addEventListener(event, listener);
  return () => field.removeEventListener(event, listener);
}

/** The one replacement that makes `after` of `before`. */
export function difference(
  before: readonly string[],
  after: readonly string[],
): Replacement | undefined {
  const shorter = Math.min(before.length, after.length);
  let at = 0;
  while (at < shorter && before[at] === after[at]) at += 1;
  let tail = 0;
  while (
    tail < shorter - at &&
    before[before.length - 1 - tail] === after[after.length - 1 - tail]
  ) {
    tail += 1;
  }
  const removed = before.length - tail - at;
  const inserted = after.slice(at, after.length - tail).join("");
  return removed === 0 && inserted === "" ? undefined : { at, removed, inserted };
}

/** Where a position is after `ops`: before what is inserted at it, or if it `yields` behind that. */
export function moved(position: number, ops: Ops, yields: boolean): number {
  let read = 0;
  let moved = position;
  for (const op of ops) {
    if (read > position || (read === position && !yields)) break;
    switch (op.type) {
      case "retain":
        read += op.count;
        break;
      case "insert":
        moved += [...op.text].length;
        break;
      case "remove":
        moved -= Math.min(op.count, Math.max(0, position - read));
        read += op.count;
        break;
    }
  }
  return moved;
}

/** The text after `ops`, as code points. */
export function applied(text: readonly string[], ops: Ops): string[] {
  const result: string[] = [];
  let read = 0;
  for (const op of ops) {
    if (op.type === "insert") {
      result.push(...op.text);
      continue;
    }
    if (op.type === "retain") result.push(...text.slice(read, read + op.count));
    read += op.count;
  }
  return [...result, ...text.slice(read)];
}

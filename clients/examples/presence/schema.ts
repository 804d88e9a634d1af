// The board as a tree: four notes that everybody may write in.

import { SchemaFactory, TreeViewConfiguration } from "fluid-framework";
import { TextAsTree } from "fluid-framework/alpha";

const factory = new SchemaFactory("levee.examples.presence");

/** The notes of one document. */
export class Board extends factory.object("Board", {
  well: TextAsTree.Tree,
  better: TextAsTree.Tree,
  next: TextAsTree.Tree,
  thanks: TextAsTree.Tree,
}) {}

export const configuration = new TreeViewConfiguration({ schema: Board });

/** Each note's field and heading. */
export const NOTES = [
  ["well", "Went well"],
  ["better", "Could be better"],
  ["next", "Try next"],
  ["thanks", "Thank you"],
] as const;

/** What a new document holds. */
export function newBoard(): Board {
  const text = (words: string) => TextAsTree.Tree.fromString(words);
  return new Board({ well: text(""), better: text(""), next: text(""), thanks: text("") });
}

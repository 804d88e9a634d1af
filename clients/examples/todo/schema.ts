// The list as a tree: whoever edits a title, an item's words or their order edits the same thing.

import { SchemaFactory, TreeViewConfiguration } from "fluid-framework";
import { TextAsTree } from "fluid-framework/alpha";

const factory = new SchemaFactory("levee.examples.todo");

/** One thing to do. */
export class Item extends factory.object("Item", {
  id: factory.identifier,
  text: TextAsTree.Tree,
  isDone: factory.boolean,
}) {}

/** Things to do, in order. */
export class Items extends factory.array("Items", Item) {}

/** The list of one document. */
export class List extends factory.object("List", {
  title: TextAsTree.Tree,
  items: Items,
}) {}

export const configuration = new TreeViewConfiguration({ schema: List });

/** An item that nobody has done. */
export function newItem(text: string): Item {
  return new Item({ text: TextAsTree.Tree.fromString(text), isDone: false });
}

/** What a new document holds. */
export function newList(): List {
  const items = ["Open this list in a second window", "Edit one item from both"].map(newItem);
  return new List({ title: TextAsTree.Tree.fromString("To do"), items: new Items(items) });
}

// A to-do list for several people, on SharedTree.

import "@fontsource-variable/inter/wght.css";
import { SharedTree, Tree, type TreeView } from "fluid-framework";
import { Bar } from "../shared/bar.ts";
import { openDocument, start } from "../shared/document.ts";
import { arrange, element, icon } from "../shared/dom.ts";
import { type Peer, Peers, type Said } from "../shared/peers.ts";
import { bindText } from "../shared/text.ts";
import { hueOf, thisUser } from "../shared/user.ts";
import { configuration, type Item, type List, newItem, newList } from "./schema.ts";

const GRIP = "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01";
const CROSS = "M7 7l10 10M17 7L7 17";
const PLUS = "M12 6v12M6 12h12";

/** How a pointer stops to drag. */
const ENDS = ["pointerup", "pointercancel"] as const;

/** Where a window writes. */
interface Editing extends Said {
  /** The item's id, or none. */
  readonly focus: string | null;
}

/** One item on the screen. */
class Row {
  readonly root: HTMLLIElement;
  readonly item: Item;
  readonly #box = element("input", { type: "checkbox", "aria-label": "Done" });
  readonly #text = element("textarea", { class: "words", rows: "1", "aria-label": "Item" });
  readonly #who = element("span", { class: "who", hidden: true });
  readonly #stops: (() => void)[];

  constructor(item: Item, list: ListPage) {
    this.item = item;
    const grip = element("button", { type: "button", class: "grip", "aria-label": "Move" });
    grip.append(icon(GRIP));
    const remove = element("button", { type: "button", class: "remove", "aria-label": "Delete" });
    remove.append(icon(CROSS));
    this.root = element("li", { class: "item" }, grip, this.#box, this.#text, this.#who, remove);
    this.#box.addEventListener("change", () => {
      item.isDone = this.#box.checked;
    });
    this.#text.addEventListener("focus", () => list.focus(item.id));
    this.#text.addEventListener("blur", () => list.focus(null));
    this.#text.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      list.addAfter(item);
    });
    remove.addEventListener("click", () => list.remove(item));
    grip.addEventListener("keydown", (event) => {
      if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
      event.preventDefault();
      list.move(item, event.key === "ArrowUp" ? -1 : 1);
    });
    grip.addEventListener("pointerdown", (event) => list.drag(event, this));
    this.#stops = [
      bindText(this.#text, item.text),
      Tree.on(item, "nodeChanged", () => this.#show()),
    ];
    this.#show();
  }

  /** Shows who else writes here. */
  peers(peers: readonly Peer<Editing>[]): void {
    const [first] = peers;
    this.#who.hidden = first === undefined;
    this.root.classList.toggle("held", first !== undefined);
    for (const name of [...this.root.classList]) {
      if (name.startsWith("hue-")) this.root.classList.remove(name);
    }
    if (first === undefined) return;
    this.root.classList.add(hueOf(first.userId));
    this.#who.textContent = peers.map((peer) => peer.said.name).join(", ");
  }

  edit(): void {
    this.#text.focus();
  }

  dispose(): void {
    for (const stop of this.#stops) stop();
  }

  #show(): void {
    this.#box.checked = this.item.isDone;
    this.root.classList.toggle("done", this.item.isDone);
  }
}

/** The list on the screen. */
class ListPage {
  readonly #list: List;
  readonly #rows = new Map<Item, Row>();
  readonly #items = element("ol", { class: "items" });
  readonly #count = element("p", { class: "muted count", role: "status" });
  #peers: Peers<Editing> | undefined;
  #dragged: Row | undefined;

  constructor(main: HTMLElement, view: TreeView<typeof List>) {
    this.#list = view.root;
    const title = element("input", { type: "text", class: "title", "aria-label": "Title" });
    const words = element("input", {
      type: "text",
      class: "words",
      placeholder: "Add an item",
      "aria-label": "Add an item",
      enterkeyhint: "enter",
    });
    const form = element(
      "form",
      { class: "new" },
      icon(PLUS),
      words,
      element("button", { class: "button", type: "submit" }, "Add"),
    );
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const text = words.value.trim();
      if (text !== "") this.#list.items.insertAtEnd(newItem(text));
      words.value = "";
    });
    main.append(
      element("div", { class: "head" }, title, this.#count),
      element("section", { class: "card" }, this.#items, form),
    );
    bindText(title, this.#list.title);
    Tree.on(this.#list.items, "treeChanged", () => this.#show());
    this.#show();
  }

  /** Shows who else is here, and tells the others where this window writes. */
  join(peers: Peers<Editing>): void {
    this.#peers = peers;
    this.#showPeers();
  }

  focus(id: string | null): void {
    this.#peers?.say({ focus: id });
  }

  addAfter(item: Item): void {
    const at = this.#list.items.indexOf(item);
    const added = newItem("");
    this.#list.items.insertAt(at + 1, added);
    this.#rows.get(added)?.edit();
  }

  remove(item: Item): void {
    const at = this.#list.items.indexOf(item);
    if (at >= 0) this.#list.items.removeAt(at);
  }

  /** Moves an item up or down by one. */
  move(item: Item, by: -1 | 1): void {
    const { items } = this.#list;
    const from = items.indexOf(item);
    if (by === -1 && from > 0) this.#place(item, items[from - 1]);
    if (by === 1 && from >= 0) this.#place(item, items[from + 2]);
  }

  /** Lets a row follow the pointer, and puts its item where it is let go. */
  drag(event: PointerEvent, row: Row): void {
    // The list takes the pointer: the row would lose it where it is put elsewhere.
    this.#items.setPointerCapture(event.pointerId);
    this.#dragged = row;
    row.root.classList.add("dragged");
    const follow = ({ clientY }: PointerEvent) => {
      const others = [...this.#items.children].filter((other) => other !== row.root);
      const next = others.find((other) => {
        const { top, height } = other.getBoundingClientRect();
        return clientY < top + height / 2;
      });
      if (row.root.nextElementSibling !== (next ?? null)) {
        this.#items.insertBefore(row.root, next ?? null);
      }
    };
    const end = ({ type }: PointerEvent) => {
      this.#items.removeEventListener("pointermove", follow);
      for (const name of ENDS) this.#items.removeEventListener(name, end);
      row.root.classList.remove("dragged");
      this.#dragged = undefined;
      const next = row.root.nextElementSibling;
      const before = [...this.#rows.values()].find((other) => other.root === next);
      if (type === "pointerup") this.#place(row.item, before?.item);
      this.#show();
    };
    this.#items.addEventListener("pointermove", follow);
    for (const name of ENDS) this.#items.addEventListener(name, end);
  }

  /** Puts an item in front of another one, or at the end. */
  #place(item: Item, next: Item | undefined): void {
    const { items } = this.#list;
    const from = items.indexOf(item);
    const gap = next === undefined ? items.length : items.indexOf(next);
    // Someone may have deleted either; and in front of itself, or behind, it is already.
    if (from < 0 || gap < 0 || gap === from || gap === from + 1) return;
    items.moveToIndex(gap, from);
  }

  #show(): void {
    if (this.#dragged !== undefined) return; // what has changed is shown when it is let go
    const items = [...this.#list.items];
    for (const item of items) {
      if (!this.#rows.has(item)) this.#rows.set(item, new Row(item, this));
    }
    const kept = new Set(items);
    for (const [item, row] of this.#rows) {
      if (kept.has(item)) continue;
      row.dispose();
      this.#rows.delete(item);
    }
    const roots = items.flatMap((item) => this.#rows.get(item)?.root ?? []);
    arrange(this.#items, roots);
    const open = items.filter((item) => !item.isDone).length;
    this.#count.textContent =
      open === 0 ? "Nothing left to do" : `${open} of ${items.length} to do`;
    this.#showPeers();
  }

  #showPeers(): void {
    const others = this.#peers?.others() ?? [];
    for (const [item, row] of this.#rows) {
      row.peers(others.filter((peer) => peer.said.focus === item.id));
    }
  }
}

const bar = new Bar("To-do");
start(bar, async () => {
  const user = thisUser();
  const schema = { initialObjects: { tree: SharedTree } };
  const { container, services } = await openDocument(bar, user, schema, (made) => {
    const view = made.initialObjects.tree.viewWith(configuration);
    view.initialize(newList());
    view.dispose();
  });
  const page = new ListPage(bar.main, container.initialObjects.tree.viewWith(configuration));
  const peers: Peers<Editing> = new Peers(services, user, { focus: null }, () => page.join(peers));
  page.join(peers);
});

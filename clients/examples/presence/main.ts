// A board that shows who is here: where they point, what they write in, how they feel, and who
// comes and goes. All of that is presence, kept by the service and never stored.

import "@fontsource-variable/inter/wght.css";
import { SharedTree } from "fluid-framework";
import { Bar, face } from "../shared/bar.ts";
import { openDocument, start } from "../shared/document.ts";
import { element, icon } from "../shared/dom.ts";
import { type Peer, Peers, type Said } from "../shared/peers.ts";
import { bindText } from "../shared/text.ts";
import { hueOf, thisUser, type User } from "../shared/user.ts";
import { type Board, configuration, NOTES, newBoard } from "./schema.ts";

/** A point on something that every window has, whatever its size. */
interface Point {
  /** The `data-spot` of what is pointed at. */
  readonly spot: string;
  /** From its left and top edge, in parts of its width and height. */
  readonly x: number;
  readonly y: number;
}

interface Feeling extends Said {
  readonly cursor: Point | null;
  /** The note that is written in. */
  readonly focus: string | null;
  /** The last reaction, and how many there were: the same one twice is two. */
  readonly reaction: { readonly kind: string; readonly count: number } | null;
}

const REACTIONS: Record<string, { readonly label: string; readonly path: string }> = {
  heart: {
    label: "Love",
    path: "M12 20.5C5 15.5 2.5 12 2.5 8.7A5 5 0 0 1 12 6.5a5 5 0 0 1 9.5 2.2c0 3.3-2.5 6.8-9.5 11.8z",
  },
  star: {
    label: "Star",
    path: "M12 2.5l2.9 6 6.6.9-4.8 4.6 1.2 6.5-5.9-3.2-5.9 3.2 1.2-6.5L2.5 9.4l6.6-.9z",
  },
  spark: {
    label: "Idea",
    path: "M12 2c.8 5.5 4.5 9.2 10 10-5.5.8-9.2 4.5-10 10-.8-5.5-4.5-9.2-10-10 5.5-.8 9.2-4.5 10-10z",
  },
  bolt: { label: "Energy", path: "M13.5 2L4.5 13.5h6L9.5 22l10-12.5h-6.5z" },
};
const POINTER = "M5 3l14 7.5-6.2 1.8L9.5 18z";
const LOG_MAX = 6;

class BoardPage {
  readonly #main: HTMLElement;
  readonly #board = element("section", { class: "board" });
  readonly #layer = element("div", { class: "layer", "aria-hidden": "true" });
  readonly #here = element("ul", { class: "here", "aria-label": "Here now" });
  readonly #log = element("ul", { class: "log", "aria-label": "Comings and goings" });
  readonly #cursors = new Map<string, HTMLElement>();
  readonly #seen = new Map<string, Feeling>();
  readonly #user: User;
  #peers: Peers<Feeling> | undefined;
  #reactions = 0;
  #isFirst = true;

  constructor(main: HTMLElement, board: Board, user: User) {
    this.#main = main;
    main.dataset.spot = "page";
    this.#user = user;
    for (const [key, heading] of NOTES) this.#addNote(key, heading, board);
    const buttons = Object.entries(REACTIONS).map(([kind, { label, path }]) => {
      const button = element("button", { type: "button", class: "react", "aria-label": label });
      button.append(icon(path, "solid"));
      button.addEventListener("click", () => this.#react(kind));
      return button;
    });
    main.append(
      element(
        "div",
        { class: "heading" },
        element("h1", {}, "Looking back"),
        element("div", { class: "reactions", role: "group", "aria-label": "React" }, ...buttons),
      ),
      this.#board,
      element(
        "section",
        { class: "card aside" },
        element("div", { class: "stack" }, element("h2", {}, "Here now"), this.#here),
        element("div", { class: "stack" }, element("h2", {}, "Comings and goings"), this.#log),
      ),
    );
    document.body.append(this.#layer);
    main.addEventListener("pointermove", (event) => this.#point(event));
    main.addEventListener("pointerleave", () => this.#peers?.say({ cursor: null }));
    addEventListener("resize", () => this.#place());
    addEventListener("scroll", () => this.#place(), { passive: true });
  }

  join(peers: Peers<Feeling>): void {
    this.#peers = peers;
    this.show();
  }

  /** Shows everybody as they are now. */
  show(): void {
    const peers = this.#peers?.others() ?? [];
    const people = peers.map(({ userId, said }) =>
      this.#person({ id: userId, name: said.name }, said),
    );
    this.#here.replaceChildren(this.#person(this.#user, undefined), ...people);
    for (const peer of peers) this.#showPeer(peer);
    const windows = new Set(peers.map((peer) => peer.said.window));
    for (const [window, said] of this.#seen) {
      if (windows.has(window)) continue;
      this.#seen.delete(window);
      this.#cursors.get(window)?.remove();
      this.#cursors.delete(window);
      this.#tell(`${said.name} left`);
    }
    this.#showFocus(peers);
    this.#place();
    this.#isFirst = false;
  }

  #addNote(key: keyof Board & string, heading: string, board: Board): void {
    const words = element("textarea", {
      "aria-label": heading,
      rows: "4",
      placeholder: "Write here",
    });
    const who = element("span", { class: "who", hidden: true });
    const note = element(
      "article",
      { class: "card note-card", "data-spot": key },
      element("header", {}, element("h2", {}, heading), who),
      words,
    );
    words.addEventListener("focus", () => this.#peers?.say({ focus: key }));
    words.addEventListener("blur", () => this.#peers?.say({ focus: null }));
    bindText(words, board[key as (typeof NOTES)[number][0]]);
    this.#board.append(note);
  }

  #person(user: User, said: Feeling | undefined): HTMLElement {
    const doing = said === undefined ? "this window" : doingOf(said);
    return element(
      "li",
      {},
      face(user),
      element("span", { class: "name" }, user.name),
      element("span", { class: "muted doing" }, doing),
    );
  }

  #showPeer({ userId, said }: Peer<Feeling>): void {
    const before = this.#seen.get(said.window);
    this.#seen.set(said.window, said);
    if (before === undefined) {
      const cursor = element("div", { class: `cursor ${hueOf(userId)}` });
      cursor.append(icon(POINTER, "solid"), element("span", {}, said.name));
      this.#layer.append(cursor);
      this.#cursors.set(said.window, cursor);
      this.#tell(this.#isFirst ? `${said.name} was here already` : `${said.name} joined`);
      return;
    }
    if (said.reaction !== null && said.reaction.count !== (before.reaction?.count ?? 0)) {
      this.#fly(said.reaction.kind, hueOf(userId), this.#cursors.get(said.window));
    }
  }

  #showFocus(peers: readonly Peer<Feeling>[]): void {
    for (const note of this.#board.querySelectorAll<HTMLElement>(".note-card")) {
      const writers = peers.filter((peer) => peer.said.focus === note.dataset.spot);
      const [first] = writers;
      note.className = `card note-card ${first === undefined ? "" : `held ${hueOf(first.userId)}`}`;
      const who = note.querySelector<HTMLElement>(".who");
      if (who === null) continue;
      who.hidden = first === undefined;
      who.textContent = writers.map((peer) => peer.said.name).join(", ");
    }
  }

  #point({ target, clientX, clientY }: PointerEvent): void {
    const spot = target instanceof Element ? target.closest<HTMLElement>("[data-spot]") : null;
    if (spot === null) {
      this.#peers?.say({ cursor: null });
      return;
    }
    const { left, top, width, height } = spot.getBoundingClientRect();
    const [x, y] = [(clientX - left) / width, (clientY - top) / height];
    this.#peers?.say({ cursor: { spot: spot.dataset.spot ?? "", x, y } });
  }

  /** Puts every cursor where its owner points. */
  #place(): void {
    for (const [window, cursor] of this.#cursors) {
      const point = this.#seen.get(window)?.cursor ?? null;
      const spot = point && document.querySelector(`[data-spot="${CSS.escape(point.spot)}"]`);
      cursor.hidden = point === null || spot === null;
      if (point === null || spot === null) continue;
      const { left, top, width, height } = spot.getBoundingClientRect();
      cursor.style.transform = `translate(${left + point.x * width}px, ${top + point.y * height}px)`;
    }
  }

  #react(kind: string): void {
    this.#reactions += 1;
    this.#peers?.say({ reaction: { kind, count: this.#reactions } });
    this.#fly(kind, hueOf(this.#user.id), undefined);
  }

  /** Lets a reaction rise from a cursor, or from the buttons. */
  #fly(kind: string, hue: string, from: HTMLElement | undefined): void {
    const path = REACTIONS[kind]?.path;
    if (path === undefined) return;
    const start = from === undefined || from.hidden ? this.#main.querySelector(".reactions") : from;
    const { left, top, width } = (start ?? this.#main).getBoundingClientRect();
    const flying = element("div", { class: `flying ${hue}`, "data-kind": kind });
    flying.append(icon(path, "solid"));
    flying.style.left = `${left + width / 2}px`;
    flying.style.top = `${top}px`;
    flying.addEventListener("animationend", () => flying.remove());
    this.#layer.append(flying);
  }

  #tell(text: string): void {
    this.#log.prepend(element("li", {}, text));
    while (this.#log.children.length > LOG_MAX) this.#log.lastElementChild?.remove();
  }
}

function doingOf({ focus, cursor }: Feeling): string {
  const note = NOTES.find(([key]) => key === focus);
  if (note !== undefined) return `writes in “${note[1]}”`;
  return cursor === null ? "looks on" : "points";
}

const bar = new Bar("Presence");
start(bar, async () => {
  const user = thisUser();
  const schema = { initialObjects: { tree: SharedTree } };
  const { container, services } = await openDocument(bar, user, schema, (made) => {
    const view = made.initialObjects.tree.viewWith(configuration);
    view.initialize(newBoard());
    view.dispose();
  });
  const board = container.initialObjects.tree.viewWith(configuration).root;
  const page = new BoardPage(bar.main, board, user);
  const nothing = { cursor: null, focus: null, reaction: null };
  const peers: Peers<Feeling> = new Peers(services, user, nothing, () => page.show());
  page.join(peers);
});

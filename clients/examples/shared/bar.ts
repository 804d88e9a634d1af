// The bar above every example: where one is, who is here, whether the service is reached, and the
// link to share.

import { element, icon } from "./dom.ts";
import { hueOf, initialsOf, type User } from "./user.ts";

/** How a document's connection stands. */
export interface Connection {
  /** It has been connected once. */
  readonly wasConnected: boolean;
  readonly isConnected: boolean;
  /** Edits that the service has not acknowledged. */
  readonly isDirty: boolean;
  /** It will never connect again. */
  readonly isClosed: boolean;
}

const STATES = {
  connecting: "Connecting",
  connected: "Connected",
  reconnecting: "Reconnecting",
  offline: "Offline",
  closed: "Closed",
} as const;

const FACES_MAX = 5;
const LINK = "M9.5 14.5l5-5M11 7l2-2a4.2 4.2 0 0 1 6 6l-2 2M13 17l-2 2a4.2 4.2 0 0 1-6-6l2-2";

/** The bar; it puts itself, and a `main` for the example, into the page. */
export class Bar {
  readonly main: HTMLElement;
  readonly #state = element("span", { class: "state", role: "status" });
  readonly #people = element("div", { class: "people", role: "list", "aria-label": "People here" });
  readonly #note = element("div", { class: "note", role: "alert", hidden: true });
  #connection: Connection = {
    wasConnected: false,
    isConnected: false,
    isDirty: false,
    isClosed: false,
  };

  constructor(title: string) {
    this.main = element("main", { class: "page" });
    const share = element("button", { class: "button share", type: "button" });
    share.append(icon(LINK), element("span", {}, "Share"));
    share.addEventListener("click", () => void copyLink(share));
    const bar = element(
      "header",
      { class: "bar" },
      element(
        "div",
        { class: "crumb" },
        element("a", { href: "/" }, "Levee"),
        element("span", { class: "slash muted" }, "/"),
        element("span", {}, title),
      ),
      element("span", { class: "space" }),
      this.#people,
      this.#state,
      share,
    );
    document.body.append(bar, this.#note, this.main);
    for (const event of ["online", "offline"]) {
      addEventListener(event, () => this.show(this.#connection));
    }
    addEventListener("beforeunload", (event) => {
      // What the service has not got would be lost with the window.
      if (this.#connection.isDirty && !this.#connection.isClosed) event.preventDefault();
    });
    this.show(this.#connection);
  }

  /** Shows how the connection stands. */
  show(connection: Connection): void {
    this.#connection = connection;
    const state = stateOf(connection);
    this.#state.dataset.state = state;
    this.#state.dataset.saved = String(!connection.isDirty);
    this.#state.textContent = STATES[state];
    if (state === "closed") return;
    const keeps = connection.wasConnected && !connection.isConnected && connection.isDirty;
    this.#say(keeps ? "Your edits are kept here, and sent when the service is reached again." : "");
  }

  /** Shows who is here, this window's user first. */
  people(users: readonly User[]): void {
    const shown = users.slice(0, FACES_MAX).map((user) => face(user));
    const more = users.length - shown.length;
    if (more > 0) {
      const names = users.slice(FACES_MAX).map((user) => user.name);
      shown.push(element("span", { class: "face", title: names.join(", ") }, `+${more}`));
    }
    this.#people.replaceChildren(...shown);
  }

  /** Says what went wrong for good, and how to go on. */
  fail(text: string): void {
    this.show({ ...this.#connection, isConnected: false, isClosed: true });
    this.#say(`${text} `, "bad");
    this.#note.append(
      element("a", { href: location.href, class: "again" }, "Try again"),
      " · ",
      element("a", { href: location.pathname }, "New document"),
    );
    // A link to the page one is on, with its fragment, loads nothing.
    this.#note.querySelector(".again")?.addEventListener("click", () => location.reload());
  }

  #say(text: string, kind = "info"): void {
    this.#note.hidden = text === "";
    this.#note.dataset.kind = kind;
    this.#note.textContent = text;
  }
}

/** A person as a round sign. */
export function face(user: User): HTMLElement {
  const { name } = user;
  const classes = `face ${hueOf(user.id)}`;
  return element(
    "span",
    { class: classes, role: "listitem", title: name, "aria-label": name },
    initialsOf(name),
  );
}

function stateOf({ isClosed, isConnected, wasConnected }: Connection): keyof typeof STATES {
  if (isClosed) return "closed";
  if (isConnected) return "connected";
  if (!navigator.onLine) return "offline";
  return wasConnected ? "reconnecting" : "connecting";
}

async function copyLink(button: HTMLElement): Promise<void> {
  const label = button.querySelector("span");
  try {
    await navigator.clipboard.writeText(location.href);
    if (label !== null) label.textContent = "Copied";
  } catch {
    // Without the right to the clipboard the person copies it by hand.
    prompt("Open this link in another window", location.href);
  }
  setTimeout(() => {
    if (label !== null) label.textContent = "Share";
  }, 1500);
}

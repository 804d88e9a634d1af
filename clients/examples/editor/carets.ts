// The carets and selections of the other windows.

import { type Extension, StateEffect, StateField } from "@codemirror/state";
import { Decoration, type DecorationSet, EditorView, WidgetType } from "@codemirror/view";

/** Where somebody is. */
export interface Caret {
  /** Tells one window from the others. */
  readonly window: string;
  readonly name: string;
  /** The class with the person's colour. */
  readonly hue: string;
  /** Where the selection was begun, and where its caret is. */
  readonly anchor: number;
  readonly head: number;
}

/** Puts these carets in place of those there were. */
export const showCarets = StateEffect.define<readonly Caret[]>();

const field = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update: (carets, transaction) => {
    let now = carets.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (effect.is(showCarets)) now = drawn(effect.value, transaction.newDoc.length);
    }
    return now;
  },
  provide: (carets) => EditorView.decorations.from(carets),
});

class CaretWidget extends WidgetType {
  readonly #caret: Caret;

  constructor(caret: Caret) {
    super();
    this.#caret = caret;
  }

  override eq(other: CaretWidget): boolean {
    const [a, b] = [this.#caret, other.#caret];
    return a.window === b.window && a.name === b.name && a.hue === b.hue;
  }

  override toDOM(): HTMLElement {
    const caret = document.createElement("span");
    caret.className = `caret ${this.#caret.hue}`;
    caret.setAttribute("aria-hidden", "true");
    const name = document.createElement("span");
    name.className = "caret-name";
    name.textContent = this.#caret.name;
    caret.append("\u2060", name, "\u2060");
    return caret;
  }

  override ignoreEvent(): boolean {
    return true;
  }
}

function drawn(carets: readonly Caret[], length: number): DecorationSet {
  const inside = (position: number) => Math.max(0, Math.min(position, length));
  const ranges = carets.flatMap((caret) => {
    const [anchor, head] = [inside(caret.anchor), inside(caret.head)];
    const side = head < anchor ? 1 : -1;
    const widget = Decoration.widget({ widget: new CaretWidget(caret), side }).range(head);
    if (anchor === head) return [widget];
    const mark = Decoration.mark({ class: `selected ${caret.hue}` });
    return [widget, mark.range(Math.min(anchor, head), Math.max(anchor, head))];
  });
  return Decoration.set(ranges, true);
}

const hues = Object.fromEntries(
  ["#0f766e", "#b45309", "#6d28d9", "#be185d", "#1d4ed8", "#4d7c0f", "#b91c1c", "#0e7490"].map(
    (colour, hue) => [`.hue-${hue}`, { "--hue": colour }],
  ),
);

/** The extension that draws them. */
export const carets: Extension = [
  field,
  EditorView.baseTheme({
    ...hues,
    ".selected": { background: "color-mix(in srgb, var(--hue) 26%, transparent)" },
    ".caret": {
      position: "relative",
      marginLeft: "-1px",
      marginRight: "-1px",
      borderLeft: "2px solid var(--hue)",
      pointerEvents: "none",
    },
    ".caret-name": {
      position: "absolute",
      left: "-2px",
      bottom: "100%",
      padding: "0 5px",
      borderRadius: "4px 4px 4px 0",
      background: "var(--hue)",
      color: "#fff",
      fontSize: "10px",
      fontWeight: "600",
      lineHeight: "14px",
      whiteSpace: "nowrap",
      zIndex: "5",
    },
  }),
];

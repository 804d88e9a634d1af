// A text editor for several people: CodeMirror on SharedString, with everyone's caret.

import "@fontsource-variable/inter/wght.css";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { EditorState } from "@codemirror/state";
import { drawSelection, EditorView, keymap, placeholder } from "@codemirror/view";
import { type SequenceDeltaEvent, SharedString } from "@fluidframework/sequence/legacy";
import { Bar } from "../shared/bar.ts";
import { openDocument, start } from "../shared/document.ts";
import { element } from "../shared/dom.ts";
import { Peers, type Said } from "../shared/peers.ts";
import { hueOf, thisUser } from "../shared/user.ts";
import { documentOf, look, sharedText } from "./binding.ts";
import { type Caret, carets, showCarets } from "./carets.ts";

/** A window's selection, and which text it is a selection of. */
interface Selecting extends Said {
  readonly anchor: number;
  readonly head: number;
  /** The last operation on the text that the window knew, and its connection. */
  readonly seq: number;
  readonly connection: string;
}

const WELCOME =
  "Write together\n\nOpen this page in a second window: each sees the other's words and caret " +
  "as they come. What is written without a connection is sent when it is back.\n";

const bar = new Bar("Editor");
start(bar, async () => {
  const user = thisUser();
  const schema = { initialObjects: { text: SharedString } };
  const { container, services } = await openDocument(bar, user, schema, (made) => {
    made.initialObjects.text.insertText(0, WELCOME);
  });
  const string = container.initialObjects.text;
  const words = element("p", { class: "muted words", role: "status" });
  const host = element("div", { class: "card sheet" });
  bar.main.append(host, words);

  let seq = 0;
  const selection = () => {
    const { anchor, head } = view.state.selection.main;
    const connection = services.audience.getMyself()?.currentConnection ?? "";
    return { anchor, head, seq, connection };
  };
  const count = () => {
    const found = view.state.doc.toString().match(/\S+/g)?.length ?? 0;
    words.textContent = found === 1 ? "1 word" : `${found} words`;
  };
  const view = new EditorView({
    // A root of its own takes style sheets from scripts, which the page's content policy forbids.
    parent: host.attachShadow({ mode: "open" }),
    state: EditorState.create({
      doc: documentOf(string.getText()),
      extensions: [
        history(),
        keymap.of([...defaultKeymap, ...historyKeymap]),
        drawSelection(),
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": "Text", spellcheck: "true" }),
        placeholder("Write here"),
        look,
        carets,
        sharedText(string),
        EditorView.updateListener.of((update) => {
          if (update.docChanged) count();
          if (update.docChanged || update.selectionSet) peers.say(selection());
        }),
      ],
    }),
  });

  const show = () => {
    const shown = peers.others().map(({ userId, said }): Caret => {
      // Positions are those of a text that is a little older or newer than the one here.
      const here = (position: number) =>
        string.resolveRemoteClientPosition(position, said.seq, said.connection) ?? position;
      const hue = hueOf(userId);
      const { window, name } = said;
      return { window, name, hue, anchor: here(said.anchor), head: here(said.head) };
    });
    view.dispatch({ effects: showCarets.of(shown) });
  };
  const peers = new Peers<Selecting>(services, user, selection(), () => show());
  string.on("sequenceDelta", (event: SequenceDeltaEvent) => {
    seq = Math.max(seq, event.opArgs.sequencedMessage?.sequenceNumber ?? 0);
    // The operation may be the one that a caret was waiting for.
    if (!event.isLocal) show();
  });
  container.on("connected", () => peers.say(selection()));
  count();
  show();
  view.focus();
});

// Keeps a CodeMirror document and a SharedString the same.

import { Annotation, type ChangeSpec, type Extension, Text, Transaction } from "@codemirror/state";
import { EditorView, ViewPlugin, type ViewUpdate } from "@codemirror/view";
import {
  MergeTreeDeltaType,
  type SequenceDeltaEvent,
  type SharedString,
} from "@fluidframework/sequence/legacy";

/** Marks what came from the shared string, so that it is not sent back. */
const shared = Annotation.define<true>();

/** The string as a document, character by character: CodeMirror would else change line ends. */
export function documentOf(text: string): Text {
  return Text.of(text.split("\n"));
}

/** The extension that joins the two. The editor must start with the string's text. */
export function sharedText(string: SharedString): Extension {
  return ViewPlugin.define((view) => {
    const receive = (event: SequenceDeltaEvent) => {
      if (event.isLocal) return;
      view.dispatch({
        changes: changesOf(event),
        annotations: [shared.of(true), Transaction.addToHistory.of(false)],
      });
    };
    string.on("sequenceDelta", receive);
    return {
      update: (update: ViewUpdate) => {
        for (const transaction of update.transactions) {
          if (transaction.annotation(shared) === undefined) send(string, transaction);
        }
      },
      destroy: () => string.off("sequenceDelta", receive),
    };
  });
}

/** Does on the string what a transaction did on the document. */
function send(string: SharedString, { changes }: Transaction): void {
  // In ascending order each change stands where it will be once those before it are made.
  changes.iterChanges((fromBefore, toBefore, from, _to, inserted) => {
    const end = from + (toBefore - fromBefore);
    const text = inserted.toString();
    if (text === "") string.removeText(from, end);
    else if (end === from) string.insertText(from, text);
    else string.replaceText(from, end, text);
  });
}

/**
 * What someone else did, as changes of the document as it was. The string names each range by its
 * place after all of them; a removed one has no length there.
 */
function changesOf(event: SequenceDeltaEvent): ChangeSpec[] {
  const changes: ChangeSpec[] = [];
  let grown = 0;
  for (const range of event.ranges) {
    const { position, segment } = range;
    const length = segment.cachedLength;
    const from = position - grown;
    const text = (segment as unknown as { text?: string }).text;
    if (text === undefined) continue; // a marker: this editor makes none
    if (range.operation === MergeTreeDeltaType.INSERT) {
      changes.push({ from, insert: documentOf(text) });
      grown += length;
    } else if (range.operation === MergeTreeDeltaType.REMOVE) {
      changes.push({ from, to: from + length });
      grown -= length;
    }
  }
  return changes;
}

/** The part of the page that the editor needs a style sheet of its own for, as it has a root of its own. */
export const look = EditorView.theme({
  "&": { color: "var(--text)", height: "100%" },
  "&.cm-focused": { outline: "none" },
  ".cm-scroller": { fontFamily: "var(--font)", lineHeight: "1.85", padding: "1.4rem 0" },
  ".cm-content": { padding: "0 1.6rem", caretColor: "var(--accent)" },
  ".cm-line": { padding: "0" },
  ".cm-placeholder": { color: "var(--muted)" },
  ".cm-cursor": { borderLeftColor: "var(--accent)", borderLeftWidth: "2px" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground":
    { background: "color-mix(in srgb, var(--accent) 24%, transparent)" },
});

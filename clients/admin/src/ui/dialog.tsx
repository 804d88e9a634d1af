// Dialogs: the browser's own, which keep the focus inside and give it back.

import type { ComponentChildren } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { useDoing } from "./load.ts";
import { Button, Form, Problem, TextField } from "./parts.tsx";

export function Dialog(props: {
  readonly title: string;
  readonly onClose: () => void;
  readonly children: ComponentChildren;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => {
    const element = dialog.current;
    element?.showModal();
    return () => element?.close();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="dialog"
      aria-labelledby={id}
      onCancel={(event) => {
        event.preventDefault();
        props.onClose();
      }}
    >
      <h2 id={id}>{props.title}</h2>
      {props.children}
    </dialog>
  );
}

/** Asks before something is done. With `typed`, that text has to be written first. */
export function Confirm(props: {
  readonly title: string;
  readonly verb: string;
  readonly isDanger?: boolean;
  readonly typed?: string;
  readonly children: ComponentChildren;
  readonly act: () => Promise<void>;
  readonly onClose: () => void;
}) {
  const doing = useDoing();
  const [typed, setTyped] = useState("");
  const isAllowed = props.typed === undefined || typed === props.typed;
  const submit = async () => {
    if (isAllowed && (await doing.run(props.act))) props.onClose();
  };
  return (
    <Dialog title={props.title} onClose={props.onClose}>
      <Form onSubmit={submit}>
        <div class="prose">{props.children}</div>
        {props.typed !== undefined && (
          <TextField
            label={`Type ${props.typed} to confirm`}
            value={typed}
            onText={setTyped}
            spellcheck={false}
          />
        )}
        <Problem error={doing.error} />
        <div class="dialog-buttons">
          <Button onClick={props.onClose}>Cancel</Button>
          <Button
            type="submit"
            kind={props.isDanger ? "danger" : "primary"}
            isBusy={doing.isBusy}
            disabled={!isAllowed}
          >
            {props.verb}
          </Button>
        </div>
      </Form>
    </Dialog>
  );
}

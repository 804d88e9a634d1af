// The small parts that every view is made of.

import type { ComponentChildren, JSX } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import type { ApiError } from "../api/client.ts";
import { useTitle } from "../router.tsx";
import type { Loaded } from "./load.ts";
import { say } from "./say.tsx";

const ICONS = {
  dashboard: "M4 19V10M10 19V5M16 19v-6M22 19H2",
  tenants: "M4 20V6l8-3 8 3v14M9 20v-5h6v5M8 9h.01M12 9h.01M16 9h.01",
  users:
    "M9 11a3.500 3.500 0 1 0 0-7 3.500 3.500 0 0 0 0 7ZM2.500 20c0-3.600 2.900-6 6.500-6s6.500 2.400 6.500 6M16 4.500a3.500 3.500 0 0 1 0 6.500M18 14.500c2.200.8 3.500 2.800 3.500 5.500",
  audit: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7",
  account: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8ZM4 21c0-4 3.600-7 8-7s8 3 8 7",
  copy: "M9 9h11v11H9zM5 15H4V4h11v1",
  show: "M2 12s3.600-7 10-7 10 7 10 7-3.600 7-10 7S2 12 2 12ZM12 15a3 3 0 1 0 0-6 3 3 0 0 0 0 6Z",
  hide: "M3 3l18 18M10 5.200A10 10 0 0 1 12 5c6.400 0 10 7 10 7a17 17 0 0 1-3 3.800M6.500 6.600C3.700 8.400 2 12 2 12s3.600 7 10 7a10 10 0 0 0 5-1.400",
  plus: "M12 5v14M5 12h14",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14ZM20 20l-4-4",
  folder: "M3 6h6l2 2h10v11H3z",
  file: "M6 3h8l4 4v14H6z",
  pause: "M8 5v14M16 5v14",
  play: "M7 4l13 8-13 8z",
} as const;

export type IconName = keyof typeof ICONS;

/** A drawing beside a text that says the same. */
export function Icon({ name }: { readonly name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={ICONS[name]} />
    </svg>
  );
}

type ButtonProps = Omit<JSX.IntrinsicElements["button"], "icon"> & {
  readonly kind?: "primary" | "plain" | "danger" | "small";
  readonly isBusy?: boolean;
  readonly icon?: IconName;
};

export function Button({ kind = "plain", isBusy, icon, children, ...rest }: ButtonProps) {
  return (
    <button
      type="button"
      {...rest}
      class={`button ${kind}`}
      disabled={rest.disabled === true || isBusy === true}
      aria-busy={isBusy}
    >
      {icon !== undefined && <Icon name={icon} />}
      {children}
    </button>
  );
}

interface FieldProps {
  readonly label: string;
  readonly hint?: ComponentChildren;
  /** The control; it gets the id that the label names. */
  readonly children: (ids: { id: string; "aria-describedby"?: string }) => ComponentChildren;
}

/** A control with its label and what there is to know about it. */
export function Field({ label, hint, children }: FieldProps) {
  const id = useId();
  const hintId = `${id}-hint`;
  const ids = hint === undefined ? { id } : { id, "aria-describedby": hintId };
  return (
    <div class="field">
      <label for={id}>{label}</label>
      {children(ids)}
      {hint !== undefined && (
        <p class="hint" id={hintId}>
          {hint}
        </p>
      )}
    </div>
  );
}

interface TextFieldProps {
  readonly label: string;
  readonly hint?: ComponentChildren;
  readonly value: string;
  readonly onText: (text: string) => void;
  readonly type?: "text" | "email" | "password" | "number";
  readonly autocomplete?: "username" | "current-password" | "new-password" | "name";
  readonly required?: boolean;
  readonly minLength?: number;
  readonly min?: number;
  readonly max?: number;
  readonly spellcheck?: boolean;
}

export function TextField(props: TextFieldProps) {
  const { label, hint, onText, type = "text", autocomplete = "off", ...rest } = props;
  return (
    <Field label={label} hint={hint}>
      {(ids) => (
        <input
          {...rest}
          {...ids}
          type={type as "text"}
          autocomplete={autocomplete}
          onInput={(event) => onText(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface SelectProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (T | readonly [T, string])[];
  readonly onChoose: (value: T) => void;
  readonly isLabelHidden?: boolean;
  readonly disabled?: boolean;
}

export function Select<T extends string>(props: SelectProps<T>) {
  const id = useId();
  return (
    <div class="field">
      <label for={id} class={props.isLabelHidden ? "unseen" : undefined}>
        {props.label}
      </label>
      <select
        id={id}
        value={props.value}
        disabled={props.disabled}
        onChange={(event) => props.onChoose(event.currentTarget.value as T)}
      >
        {props.options.map((option) => {
          const [value, text] = typeof option === "string" ? [option, option] : option;
          return (
            <option key={value} value={value}>
              {text}
            </option>
          );
        })}
      </select>
    </div>
  );
}

/** A form that this page handles itself. */
export function Form(props: {
  readonly onSubmit: () => void;
  readonly children: ComponentChildren;
  readonly class?: string;
  readonly label?: string;
}) {
  return (
    <form
      class={props.class ?? "form"}
      aria-label={props.label}
      onSubmit={(event) => {
        event.preventDefault();
        props.onSubmit();
      }}
    >
      {props.children}
    </form>
  );
}

/** What went wrong, read out at once. */
export function Problem({ error }: { readonly error: ApiError | undefined }) {
  return (
    <div role="alert" class="alert">
      {error !== undefined && <p class="problem">{error.message}</p>}
    </div>
  );
}

/** The title of a view. It takes the focus, so that a screen reader starts here. */
export function Heading(props: {
  readonly children: string;
  readonly above?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly below?: ComponentChildren;
}) {
  const heading = useRef<HTMLHeadingElement>(null);
  useTitle(props.children);
  useEffect(() => {
    // Not away from a control that the view itself has given it to.
    if (document.activeElement?.closest("main") === null) {
      heading.current?.focus({ preventScroll: true });
    }
  }, []);
  return (
    <header class="heading">
      <div>
        {props.above}
        <h1 tabIndex={-1} ref={heading}>
          {props.children}
        </h1>
        {props.below}
      </div>
      {props.actions !== undefined && <div class="actions">{props.actions}</div>}
    </header>
  );
}

/** A part of a view with a title of its own. */
export function Section(props: {
  readonly title: string;
  readonly about?: ComponentChildren;
  readonly actions?: ComponentChildren;
  readonly kind?: "danger";
  readonly children: ComponentChildren;
}) {
  const id = useId();
  return (
    <section class={`card part ${props.kind ?? ""}`} aria-labelledby={id}>
      <header class="part-head">
        <div>
          <h2 id={id}>{props.title}</h2>
          {props.about !== undefined && <p class="muted">{props.about}</p>}
        </div>
        {props.actions !== undefined && <div class="actions">{props.actions}</div>}
      </header>
      {props.children}
    </section>
  );
}

/** What was loaded, or why it is not there. */
export function Await<T>(props: {
  readonly of: Loaded<T>;
  readonly children: (value: T) => ComponentChildren;
  /** Shown in place of a part that this service does not have. */
  readonly absent?: ComponentChildren;
}) {
  const { value, error, isLoading, reload } = props.of;
  if (error?.isAbsent === true && props.absent !== undefined) return <>{props.absent}</>;
  return (
    <div aria-busy={isLoading} class="await">
      <div role="alert" class="alert">
        {error !== undefined && (
          <p class="problem">
            {error.message}{" "}
            <Button kind="small" onClick={reload}>
              Try again
            </Button>
          </p>
        )}
      </div>
      {value !== undefined && props.children(value)}
      {value === undefined && error === undefined && <p class="muted wait">Loading…</p>}
    </div>
  );
}

export function Empty({ children }: { readonly children: ComponentChildren }) {
  return <p class="empty muted">{children}</p>;
}

/** A table that scrolls sideways within itself; on a telephone its rows become cards. */
export function Table(props: {
  readonly label: string;
  readonly columns: readonly string[];
  readonly children: ComponentChildren;
}) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard.
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for controls, and this is none.
    <div class="table" role="group" aria-label={props.label} tabIndex={0}>
      <table>
        <thead>
          <tr>
            {props.columns.map((column) => (
              <th key={column} scope="col">
                {column.startsWith("(") ? (
                  <span class="unseen">{column.slice(1, -1)}</span>
                ) : (
                  column
                )}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

export function Badge(props: {
  readonly kind?: "good" | "warn" | "bad" | "accent";
  readonly children: ComponentChildren;
}) {
  return <span class={`badge ${props.kind ?? ""}`}>{props.children}</span>;
}

const moment = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** A moment, in the reader's zone. */
export function Time({ ms }: { readonly ms: number }) {
  if (!Number.isFinite(ms)) return <>–</>;
  const at = new Date(ms);
  return (
    <time dateTime={at.toISOString()} title={at.toISOString()}>
      {moment.format(at)}
    </time>
  );
}

/** Copies a text, and says so. `what` names it. */
export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  return (
    <Button
      kind="small"
      icon="copy"
      aria-label={`Copy ${what}`}
      onClick={() => {
        navigator.clipboard.writeText(text).then(
          () => say(`Copied: ${what}`),
          () => say(`The browser does not allow copying. Select the ${what} and copy it by hand.`),
        );
      }}
    >
      Copy
    </Button>
  );
}

/** A text that is shown this once, to be copied. */
export function Once({ label, text }: { readonly label: string; readonly text: string }) {
  const id = useId();
  return (
    <div class="once">
      <label for={id}>{label}</label>
      <div class="once-row">
        <input
          id={id}
          class="mono"
          readOnly
          value={text}
          onFocus={(event) => event.currentTarget.select()}
        />
        <Copy text={text} what={label.toLowerCase()} />
      </div>
    </div>
  );
}

/** A secret that is shown when asked for. */
export function Secret({ label, text }: { readonly label: string; readonly text: string }) {
  const [isShown, setShown] = useState(false);
  return (
    <div class="secret">
      <code class="secret-text">{isShown ? text : "•".repeat(24)}</code>
      <Button
        kind="small"
        icon={isShown ? "hide" : "show"}
        aria-label={`${isShown ? "Hide" : "Reveal"} ${label}`}
        aria-pressed={isShown}
        onClick={() => setShown(!isShown)}
      >
        {isShown ? "Hide" : "Reveal"}
      </Button>
      <Copy text={text} what={label} />
    </div>
  );
}

/** A field that narrows what is below it. */
export function Search(props: {
  readonly label: string;
  readonly value: string;
  readonly onText: (text: string) => void;
}) {
  return (
    <div class="search">
      <Icon name="search" />
      <input
        type="search"
        aria-label={props.label}
        placeholder={props.label}
        value={props.value}
        onInput={(event) => props.onText(event.currentTarget.value)}
      />
    </div>
  );
}

/** Earlier and later pages of a list. */
export function Pager(props: {
  readonly from: number;
  readonly shown: number;
  /** `undefined`: not known; `hasMore` tells whether there is another page. */
  readonly total: number | undefined;
  readonly size: number;
  readonly hasMore?: boolean;
  readonly onFrom: (from: number) => void;
}) {
  const { from, shown, total, size, onFrom } = props;
  const hasMore = props.hasMore ?? (total !== undefined && from + shown < total);
  const of = total === undefined ? "" : ` of ${total.toLocaleString()}`;
  return (
    <nav class="pager" aria-label="Pages">
      <p class="muted" role="status">
        {shown === 0
          ? "Nothing found"
          : `${(from + 1).toLocaleString()}–${(from + shown).toLocaleString()}${of}`}
      </p>
      <Button disabled={from === 0} onClick={() => onFrom(Math.max(0, from - size))}>
        Previous
      </Button>
      <Button disabled={!hasMore} onClick={() => onFrom(from + size)}>
        Next
      </Button>
    </nav>
  );
}

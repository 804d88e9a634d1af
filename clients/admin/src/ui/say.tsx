// What the page says of its own: a line in a corner that a screen reader reads out too.

import { useEffect, useState } from "preact/hooks";

const SHOWN_MS = 6000;

let show: (text: string) => void = () => {};

/** Tells what was done. */
export function say(text: string): void {
  show(text);
}

/** The place where it is told; one on the page. */
export function Sayings() {
  const [said, setSaid] = useState({ text: "", at: 0 });
  useEffect(() => {
    show = (text) => setSaid((before) => ({ text, at: before.at + 1 }));
    return () => {
      show = () => {};
    };
  }, []);
  useEffect(() => {
    if (said.text === "") return;
    const timer = setTimeout(() => setSaid(({ at }) => ({ text: "", at })), SHOWN_MS);
    return () => clearTimeout(timer);
  }, [said]);
  return (
    <div class="sayings" role="status">
      {said.text !== "" && (
        <p class="saying" key={said.at}>
          {said.text}
        </p>
      )}
    </div>
  );
}

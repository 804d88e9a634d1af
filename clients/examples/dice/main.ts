// One die for everybody who is here.

import "@fontsource-variable/inter/wght.css";
import { Bar, face } from "../shared/bar.ts";
import { start } from "../shared/document.ts";
import { element } from "../shared/dom.ts";
import { thisUser } from "../shared/user.ts";
import { openDice, type Roll } from "./container.ts";

/** Which of nine places of a face have a pip. */
const PIPS: readonly string[] = [
  "",
  "....x....",
  "x.......x",
  "x...x...x",
  "x.x...x.x",
  "x.x.x.x.x",
  "x.xx.xx.x",
];
const SHOWN_MAX = 8;

/** The die itself. */
class Die {
  readonly root = element("div", { class: "die", role: "img" });

  show(value: number): void {
    // Before the first roll it lies there faintly, on no side in particular.
    this.root.classList.toggle("idle", value === 0);
    const pips = [...(PIPS[value || 5] ?? "")].map((pip) =>
      element("span", { class: pip === "x" ? "pip" : "" }),
    );
    this.root.replaceChildren(...pips);
    this.root.dataset.face = String(value);
    this.root.setAttribute("aria-label", value === 0 ? "Not rolled yet" : `A ${value}`);
  }

  tumble(): void {
    this.root.classList.remove("tumbling");
    // Reading the layout starts the animation anew.
    this.root.getBoundingClientRect();
    this.root.classList.add("tumbling");
  }
}

const bar = new Bar("Dice");
start(bar, async () => {
  const user = thisUser();
  const { dice } = await openDice(bar, user);
  const die = new Die();
  const button = element("button", { type: "button", class: "button roll" }, "Roll");
  const told = element("p", { class: "muted told", role: "status" });
  const counts = element("ol", { class: "counts", "aria-label": "How often each face came" });
  const log = element("ol", { class: "rolls", "aria-label": "Last rolls" });
  bar.main.append(
    element("section", { class: "card table" }, die.root, button, told),
    element(
      "section",
      { class: "card aside" },
      element("div", { class: "stack" }, element("h2", {}, "How often"), counts),
      element("div", { class: "stack" }, element("h2", {}, "Last rolls"), log),
    ),
  );

  let shown: string | undefined;
  const show = () => {
    const { rolls } = dice;
    const [last] = rolls;
    if (last !== undefined && shown !== undefined && last.id !== shown) die.tumble();
    shown = last?.id ?? "";
    die.show(last?.face ?? 0);
    told.textContent = last === undefined ? "Nobody has rolled yet" : said(last, user.id);
    log.replaceChildren(...rolls.slice(0, SHOWN_MAX).map(row));
    counts.replaceChildren(...bars(rolls));
  };
  button.addEventListener("click", () => dice.roll(user));
  dice.onChange(show);
  show();
});

function said({ by, face }: Roll, userId: string): string {
  return `${by.id === userId ? "You" : by.name} rolled a ${face}`;
}

function row(roll: Roll): HTMLElement {
  return element(
    "li",
    { "data-id": roll.id, "data-face": String(roll.face) },
    face(roll.by),
    element("span", {}, roll.by.name),
    element("strong", {}, String(roll.face)),
  );
}

/** How often each face came, among the rolls that are remembered. */
function bars(rolls: readonly Roll[]): HTMLElement[] {
  const counts = PIPS.slice(1).map((_, at) => rolls.filter((roll) => roll.face === at + 1).length);
  const most = Math.max(1, ...counts);
  return counts.map((count, at) => {
    const bar = element("span", { class: "bar-fill" });
    bar.style.width = `${(100 * count) / most}%`;
    return element(
      "li",
      { "data-count": String(count) },
      element("span", { class: "muted" }, String(at + 1)),
      element("span", { class: "bar-track" }, bar),
      element("span", { class: "number" }, String(count)),
    );
  });
}

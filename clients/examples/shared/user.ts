// Who uses this window: a made-up person, the same one until the window is closed.

export interface User {
  readonly id: string;
  readonly name: string;
}

const FIRST = ["Amber", "Birch", "Coral", "Dusk", "Ember", "Fern", "Hazel", "Indigo", "Juniper"];
const LAST = ["Avocet", "Bittern", "Curlew", "Dunlin", "Egret", "Heron", "Ibis", "Plover", "Teal"];

/** How many colours the style sheet has for people: `.hue-0` and so on. */
const HUES = 8;
const KEY = "levee-examples:user";

/** The person of this window. */
export function thisUser(): User {
  const kept = sessionStorage.getItem(KEY);
  if (kept !== null) return JSON.parse(kept) as User;
  const name = `${pick(FIRST)} ${pick(LAST)}`;
  const user = { id: crypto.randomUUID(), name };
  sessionStorage.setItem(KEY, JSON.stringify(user));
  return user;
}

/** The class with a person's colour, which is the same in every window. */
export function hueOf(userId: string): string {
  let sum = 0;
  for (const letter of userId) sum = (sum * 31 + letter.charCodeAt(0)) >>> 0;
  return `hue-${sum % HUES}`;
}

/** "AH" for Amber Heron. */
export function initialsOf(name: string): string {
  const words = name.split(/\s+/).filter((word) => word !== "");
  return words
    .slice(0, 2)
    .map((word) => [...word][0]?.toUpperCase() ?? "")
    .join("");
}

function pick(words: readonly string[]): string {
  return words[Math.floor(Math.random() * words.length)] ?? "Someone";
}

// The page's own paths. One listener follows links and the browser's history; `route` finds what a
// path shows.

import type { ComponentChildren } from "preact";
import { useEffect, useSyncExternalStore } from "preact/compat";

/** Where the service serves the page. */
const BASE = "/admin";

const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

addEventListener("popstate", changed);

function changed(): void {
  for (const listener of listeners) listener();
}

/** The path below the page, with a slash in front and none behind. */
export function currentPath(): string {
  return location.pathname.slice(BASE.length).replace(/\/+$/, "") || "/";
}

/** Goes to a path below the page. `replace` leaves the present one out of the history. */
export function go(path: string, how: "push" | "replace" = "push"): void {
  const url = BASE + path;
  if (how === "replace") history.replaceState(null, "", url);
  else history.pushState(null, "", url);
  scrollTo(0, 0);
  changed();
}

export function usePath(): string {
  return useSyncExternalStore(subscribe, currentPath);
}

/** A path out of segments, each encoded. */
export function to(...segments: readonly string[]): string {
  return `/${segments.map(encodeURIComponent).join("/")}`;
}

/** The path as a whole, for an address to copy or a link. */
export function href(path: string): string {
  return path === "/" ? BASE : BASE + path;
}

interface LinkProps {
  readonly to: string;
  readonly class?: string;
  readonly "aria-current"?: "page" | undefined;
  readonly children: ComponentChildren;
}

/** A link within the page. */
export function Link({ to: path, children, ...rest }: LinkProps) {
  return (
    <a {...rest} href={href(path)} onClick={(event) => follow(event, path)}>
      {children}
    </a>
  );
}

function follow(event: MouseEvent, path: string): void {
  const isPlain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey);
  if (!isPlain || event.defaultPrevented) return; // the browser opens a tab, a window
  event.preventDefault();
  go(path);
}

/**
 * Matches a path against a pattern such as `/tenants/:tenant`.
 *
 * @returns the decoded segments by name, or `undefined`.
 */
export function match(pattern: string, path: string): Readonly<Record<string, string>> | undefined {
  const wanted = pattern.split("/");
  const given = path.split("/");
  if (wanted.length !== given.length) return undefined;
  const found: Record<string, string> = {};
  for (const [index, want] of wanted.entries()) {
    const have = given[index] ?? "";
    if (want.startsWith(":")) {
      const text = decoded(have);
      if (text === undefined || text === "") return undefined;
      found[want.slice(1)] = text;
    } else if (want !== have) return undefined;
  }
  return found;
}

function decoded(segment: string): string | undefined {
  try {
    return decodeURIComponent(segment);
  } catch {
    return undefined; // not ours
  }
}

/** Names the window after what it shows. */
export function useTitle(title: string): void {
  useEffect(() => {
    document.title = title === "" ? "Levee" : `${title} · Levee`;
  }, [title]);
}

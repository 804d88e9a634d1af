// What presence makes of a connection, without a service.

import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { LeveePresenceError, Presence, type PresenceLink } from "../src/presence.ts";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Named = { readonly name: string };

/** A connection that keeps what is asked of it, and says what the test wants. */
class FakeLink implements PresenceLink {
  readonly clientId: string;
  readonly supportedFeatures: Record<string, unknown>;
  readonly sent: [string, unknown?][] = [];
  #changed: (state: unknown) => void = () => {};
  #refused: (reason: string) => void = () => {};
  readonly presence: PresenceLink["presence"];

  constructor(
    clientId: string,
    supportedFeatures: Record<string, unknown> = { presence_v1: true },
  ) {
    this.clientId = clientId;
    this.supportedFeatures = supportedFeatures;
    this.presence = {
      join: (meta) => this.sent.push(["join", meta]),
      update: (meta) => this.sent.push(["update", meta]),
      leave: () => this.sent.push(["leave"]),
      on: (event: string, listener: never) => {
        if (event === "changed") this.#changed = listener;
        else this.#refused = listener;
      },
    };
  }

  /** `[user, client, ref, name]` of everyone. */
  tell(...all: [string, string, string, unknown][]): void {
    const state: Record<string, { metas: object[] }> = {};
    for (const [user, clientId, phx_ref, name] of all) {
      state[user] ??= { metas: [] };
      state[user].metas.push({ phx_ref, clientId, name });
    }
    this.#changed(state);
  }

  refuse(reason: string): void {
    this.#refused(reason);
  }
}

function present() {
  const unheard: LeveePresenceError[] = [];
  const presence = new Presence<Named>(
    (state): state is Named => "name" in state && typeof state.name === "string",
    (error) => unheard.push(error),
  );
  const heard: string[] = [];
  presence.on("joined", ({ clientId, state }) => heard.push(`+${clientId} ${state.name}`));
  presence.on("updated", ({ clientId, state }) => heard.push(`${clientId} ${state.name}`));
  presence.on("left", ({ clientId }) => heard.push(`-${clientId}`));
  presence.on("changed", () => heard.push("changed"));
  return { presence, heard, unheard, take: () => heard.splice(0) };
}

test("nothing is sent before there is a connection, and only the latest state then", () => {
  const { presence } = present();
  presence.join({ name: "a" });
  presence.update({ name: "b" });
  const link = new FakeLink("c1");
  presence.connect(link);
  expect(link.sent).toEqual([["join", { name: "b" }]]);
  presence.update({ name: "c" });
  presence.update({ name: "d" });
  expect(link.sent).toHaveLength(1);
  vi.advanceTimersByTime(1000);
  expect(link.sent.slice(1)).toEqual([["update", { name: "d" }]]);
  vi.advanceTimersByTime(1000);
  expect(link.sent).toHaveLength(2);
});

test("the list is the service's, and is told as what has changed in it", () => {
  const { presence, take } = present();
  const link = new FakeLink("c1");
  presence.connect(link);
  presence.join({ name: "me" });
  link.tell(["other", "c0", "1", "o"]);
  expect(presence.isCurrent).toBe(false);
  expect(presence.entries()).toEqual([]);
  link.tell(["other", "c0", "1", "o"], ["self", "c1", "2", "me"]);
  expect(presence.isCurrent).toBe(true);
  expect(take()).toEqual(["+c0 o", "+c1 me", "changed"]);
  link.tell(["other", "c0", "3", "p"], ["self", "c1", "2", "me"]);
  expect(take()).toEqual(["c0 p", "changed"]);
  link.tell(["other", "c0", "3", "p"], ["self", "c1", "2", "me"]);
  expect(take()).toEqual([]);
  link.tell(["other", "c0", "4", 7], ["self", "c1", "2", "me"], ["self", "c2", "5", "too"]);
  expect(take()).toEqual(["-c0", "+c2 too", "changed"]);
  expect([...presence.users()]).toEqual([
    [
      "self",
      [
        { userId: "self", clientId: "c1", state: { name: "me" } },
        { userId: "self", clientId: "c2", state: { name: "too" } },
      ],
    ],
  ]);
  presence.leave();
  expect(link.sent.at(-1)).toEqual(["leave"]);
  expect(take()).toEqual(["-c1", "-c2", "changed"]);
  link.tell(["other", "c0", "6", "q"]);
  expect(take()).toEqual([]);
});

test("a new connection is joined again, and its list is compared with the old one", () => {
  const { presence, take } = present();
  const first = new FakeLink("c1");
  presence.connect(first);
  presence.join({ name: "me" });
  first.tell(["self", "c1", "1", "me"], ["other", "c2", "2", "o"], ["third", "c3", "3", "t"]);
  take();
  presence.disconnect();
  expect(presence.isCurrent).toBe(false);
  expect(presence.entries()).toHaveLength(3);
  presence.update({ name: "me too" });
  const second = new FakeLink("c9");
  presence.connect(second);
  expect(second.sent).toEqual([["join", { name: "me too" }]]);
  first.tell(["self", "c1", "1", "late"]);
  expect(take()).toEqual([]);
  second.tell(["third", "c3", "3", "t"], ["self", "c9", "4", "me too"]);
  expect(take()).toEqual(["-c1", "-c2", "+c9 me too", "changed"]);
  expect(first.sent).toEqual([["join", { name: "me" }]]);
});

test("what cannot be sent is refused where it is said", () => {
  const { presence } = present();
  const reasonOf = (state: unknown) => {
    try {
      presence.join(state as Named);
    } catch (error) {
      if (error instanceof LeveePresenceError) return error.reason;
      throw error;
    }
    return undefined;
  };
  expect(reasonOf([])).toBe("invalid_meta");
  expect(reasonOf("name")).toBe("invalid_meta");
  expect(reasonOf({ name: "x", phx_ref: "1" })).toBe("invalid_meta");
  expect(reasonOf({ name: "x", clientId: "1" })).toBe("invalid_meta");
  expect(reasonOf({ name: "ä".repeat(33_000) })).toBe("meta_too_large");
  expect(() => presence.update({ name: "x" })).toThrow(LeveePresenceError);
  expect(presence.local).toBeUndefined();
  expect(reasonOf({ name: "x".repeat(60_000) })).toBeUndefined();
});

test("what the service refuses reaches a listener, or else the logger", () => {
  const { presence, unheard } = present();
  const link = new FakeLink("c1");
  presence.connect(link);
  presence.join({ name: "me" });
  link.refuse("meta_too_large");
  expect(unheard.map(({ reason }) => reason)).toEqual(["meta_too_large"]);
  const heard: string[] = [];
  const stop = presence.on("error", ({ reason }) => heard.push(reason));
  link.refuse("not_joined");
  presence.connect(new FakeLink("c2", {}));
  expect(heard).toEqual(["not_joined", "unsupported"]);
  expect(unheard).toHaveLength(1);
  stop();
  link.refuse("late");
  presence.connect(new FakeLink("c3", {}));
  expect(unheard.map(({ reason }) => reason)).toEqual(["meta_too_large", "unsupported"]);
});

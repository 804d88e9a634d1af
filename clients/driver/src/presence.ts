// Presence that the service keeps: who is here, with what each of them says about itself. The
// service forgets a client when its connection ends.

import { Presence } from "phoenix";
import { Emitter } from "./emitter.ts";

/** What one connection of a user says about itself, with what the service adds. */
export interface PresenceMeta {
  /** The connection. */
  readonly clientId: string;
  /** Changes with every update. */
  readonly phx_ref: string;
  readonly [name: string]: unknown;
}

/** Everybody who is present, by user id; each with one meta per connection. */
export type PresenceState = Readonly<Record<string, { readonly metas: readonly PresenceMeta[] }>>;

/** The events of {@link LeveePresence}. */
export type PresenceEvents = {
  /** Somebody came, changed or left. */
  changed: readonly [state: PresenceState];
  /** The service refused a request; the reason is for people. */
  refused: readonly [reason: string];
};

/** Server-backed presence of one connection. It ends with the connection. */
export class LeveePresence extends Emitter<PresenceEvents> {
  readonly #push: (event: string, payload: object) => void;
  #state: PresenceState = {};

  /** @param push - sends an event on the connection's channel */
  constructor(push: (event: string, payload: object) => void) {
    super();
    this.#push = push;
  }

  /** Who is present, as far as this connection was told. Empty until {@link LeveePresence.join}. */
  get state(): PresenceState {
    return this.#state;
  }

  /** Becomes present. `meta` is a JSON object without `clientId` and the other reserved names. */
  join(meta: object): void {
    this.#push("joinPresence", { meta });
  }

  /** Replaces what this connection says about itself. */
  update(meta: object): void {
    this.#push("updatePresence", { meta });
  }

  /** Stops being present. */
  leave(): void {
    this.#push("leavePresence", {});
  }

  /** Takes an event of the channel. */
  receive(event: "presence_state" | "presence_diff" | "presence_error", payload: unknown): void {
    switch (event) {
      case "presence_state":
        this.#state = Presence.syncState({ ...this.#state }, payload as object) as PresenceState;
        this.emit("changed", this.#state);
        break;
      case "presence_diff":
        this.#state = Presence.syncDiff(
          { ...this.#state },
          payload as { joins: object; leaves: object },
        ) as PresenceState;
        this.emit("changed", this.#state);
        break;
      case "presence_error": {
        const { reason } = (payload ?? {}) as { readonly reason?: unknown };
        this.emit("refused", typeof reason === "string" ? reason : "no reason given");
        break;
      }
    }
  }
}

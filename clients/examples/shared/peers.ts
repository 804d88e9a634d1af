// The other windows of a document, through the presence that the service keeps.

import type { LeveeContainerServices } from "levee-client";
import type { User } from "./user.ts";

/** What a window says of itself, whatever the example adds. */
export interface Said {
  /** Tells a window from another one of the same user. */
  readonly window: string;
  readonly name: string;
}

/** Another window. */
export interface Peer<TSaid extends Said> {
  readonly userId: string;
  readonly said: TSaid;
}

/** This window among the others. */
export class Peers<TSaid extends Said> {
  readonly #presence: ReturnType<LeveeContainerServices["presence"]>;
  #said: TSaid;

  /** Appears with `said`, and calls `show` whenever the others differ. */
  constructor(
    services: LeveeContainerServices,
    user: User,
    said: Omit<TSaid, keyof Said>,
    show: (others: readonly Peer<TSaid>[]) => void,
  ) {
    this.#said = { ...said, window: crypto.randomUUID(), name: user.name } as unknown as TSaid;
    this.#presence = services.presence();
    this.#presence.on("changed", () => show(this.others()));
    this.#presence.join({ ...this.#said });
  }

  /** Every other window that is here. */
  others(): Peer<TSaid>[] {
    const others: Peer<TSaid>[] = [];
    for (const { userId, state } of this.#presence.entries()) {
      const said = state as unknown as TSaid;
      if (said.window !== this.#said.window) others.push({ userId, said });
    }
    return others;
  }

  /** Says something new. */
  say(change: Partial<Omit<TSaid, keyof Said>>): void {
    this.#said = { ...this.#said, ...change };
    this.#presence.update({ ...this.#said });
  }
}

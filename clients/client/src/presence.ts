import { Emitter } from "./emitter.ts";

/** Largest state of one client as JSON, bytes: the service's own limit. */
const STATE_BYTES_MAX = 64 * 1024;

/** Shortest time between two states that are sent; between them only the latest counts. */
const SEND_INTERVAL_MS = 40;

/** What the service writes into each state; an app's state cannot use these names. */
const RESERVED = ["phx_ref", "clientId"] as const;

/**
 * One client's presence in a document.
 *
 * @typeParam TState - What the client says of itself.
 * @public
 */
export interface LeveePresenceEntry<TState extends object> {
  /** Whose client it is: the user of its token, which the service has checked. */
  readonly userId: string;
  /** The client's connection, as the audience lists it. */
  readonly clientId: string;
  /** What the client says of itself. */
  readonly state: TState;
}

/**
 * Why a state was refused:
 *
 * - `invalid_meta`: it is not a plain object, or it uses a name that is the service's;
 * - `meta_too_large`: its JSON is larger than 64 KiB;
 * - `not_joined`: the service does not know this client as present;
 * - `unsupported`: the service has no server-backed presence;
 * - anything else is a reason of a newer service.
 *
 * @public
 */
export type LeveePresenceReason =
  | "invalid_meta"
  | "meta_too_large"
  | "not_joined"
  | "unsupported"
  | (string & {});

/**
 * A state that this client, or the service, refused.
 *
 * @public
 */
export class LeveePresenceError extends Error {
  /** Why. */
  readonly reason: LeveePresenceReason;

  /** @internal */
  constructor(reason: LeveePresenceReason, message: string) {
    super(message);
    this.name = "LeveePresenceError";
    this.reason = reason;
  }
}

/**
 * The events of a {@link LeveePresence}, and what their listeners are given.
 *
 * @public
 */
export interface LeveePresenceEvents<TState extends object> {
  /** A client has appeared; also this one. */
  joined: (entry: LeveePresenceEntry<TState>) => void;
  /** A client says something new of itself. */
  updated: (entry: LeveePresenceEntry<TState>, previous: LeveePresenceEntry<TState>) => void;
  /** A client has gone. */
  left: (entry: LeveePresenceEntry<TState>) => void;
  /** The list differs from what it was; once for any number of the events above. */
  changed: () => void;
  /** The service refused a state. Without a listener it is reported to the client's logger. */
  error: (error: LeveePresenceError) => void;
}

/**
 * Who is in a document, and what each client says of itself: a cursor, a selection, a status.
 * Kept by the service while the client is connected, and never stored.
 *
 * @remarks The others are listed only while this client is present itself: call `join` first. The
 * client joins again by itself whenever its connection was lost, with what it last said.
 *
 * @typeParam TState - What each client says of itself.
 * @public
 */
export interface LeveePresence<TState extends object> {
  /** What this client says of itself; `undefined` before `join` and after `leave`. */
  readonly local: TState | undefined;
  /** Whether the list is current: this client is present, and its connection stands. */
  readonly isCurrent: boolean;
  /**
   * Appears in the document with `state`. It may be called before the container is attached or
   * connected.
   *
   * @throws {@link LeveePresenceError} if the state cannot be sent.
   */
  join(state: TState): void;
  /**
   * Says something new; the whole state, not a part of it. Several calls in one moment are sent as
   * one, the latest.
   *
   * @throws {@link LeveePresenceError} if the state cannot be sent, or if `join` was not called.
   */
  update(state: TState): void;
  /** Disappears. The list is empty afterwards. */
  leave(): void;
  /** Every client that is present, this one included, in the order in which they appeared. */
  entries(): readonly LeveePresenceEntry<TState>[];
  /** The clients that are present, by the id of their user. */
  users(): ReadonlyMap<string, readonly LeveePresenceEntry<TState>[]>;
  /** Starts to listen. Answers a function that stops it. */
  on<E extends keyof LeveePresenceEvents<TState>>(
    event: E,
    listener: LeveePresenceEvents<TState>[E],
  ): () => void;
  /** Stops to listen. */
  off<E extends keyof LeveePresenceEvents<TState>>(
    event: E,
    listener: LeveePresenceEvents<TState>[E],
  ): void;
}

/** What presence needs of a connection to the service; the driver's connections have it. */
export interface PresenceLink {
  readonly clientId: string;
  /** `presence_v1` is true where the service has server-backed presence. */
  readonly supportedFeatures: Readonly<Record<string, unknown>>;
  readonly presence: {
    join(meta: object): void;
    update(meta: object): void;
    leave(): void;
    on(event: "changed", listener: (state: unknown) => void): unknown;
    on(event: "refused", listener: (reason: string) => void): unknown;
  };
}

/** A present client as the list keeps it, with the service's mark of this very state. */
interface Present<TState extends object> extends LeveePresenceEntry<TState> {
  readonly ref: string;
}

/** The presence of one open document, over as many connections as it has in its life. */
export class Presence<TState extends object> implements LeveePresence<TState> {
  readonly #events = new Emitter<LeveePresenceEvents<TState>>();
  readonly #isState: (state: object) => state is TState;
  readonly #report: (error: LeveePresenceError) => void;
  #present = new Map<string, Present<TState>>();
  #local: TState | undefined;
  #link: PresenceLink | undefined;
  /** Whether the service has been asked for a place on this connection. */
  #hasJoined = false;
  /** Whether the service has answered with its list on this connection. */
  #isCurrent = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStale = false;

  /** `report` is told of errors that no listener hears. */
  constructor(
    isState: ((state: object) => state is TState) | undefined,
    report: (error: LeveePresenceError) => void,
  ) {
    this.#isState = isState ?? ((_state): _state is TState => true);
    this.#report = report;
  }

  get local(): TState | undefined {
    return this.#local;
  }

  get isCurrent(): boolean {
    return this.#isCurrent;
  }

  join(state: TState): void {
    check(state);
    this.#local = state;
    this.#send();
  }

  update(state: TState): void {
    if (this.#local === undefined) {
      throw new LeveePresenceError("not_joined", "call join before update");
    }
    this.join(state);
  }

  leave(): void {
    if (this.#local === undefined) return;
    this.#local = undefined;
    this.#cancelTimer();
    if (this.#hasJoined) this.#link?.presence.leave();
    this.#hasJoined = false;
    this.#isCurrent = false;
    this.#replace(new Map());
  }

  entries(): readonly LeveePresenceEntry<TState>[] {
    return [...this.#present.values()].map(entryOf);
  }

  users(): ReadonlyMap<string, readonly LeveePresenceEntry<TState>[]> {
    const users = new Map<string, LeveePresenceEntry<TState>[]>();
    for (const entry of this.entries()) {
      const clients = users.get(entry.userId);
      if (clients === undefined) users.set(entry.userId, [entry]);
      else clients.push(entry);
    }
    return users;
  }

  on<E extends keyof LeveePresenceEvents<TState>>(
    event: E,
    listener: LeveePresenceEvents<TState>[E],
  ): () => void {
    return this.#events.on(event, listener);
  }

  off<E extends keyof LeveePresenceEvents<TState>>(
    event: E,
    listener: LeveePresenceEvents<TState>[E],
  ): void {
    this.#events.off(event, listener);
  }

  /** The document has a new connection. */
  connect(link: PresenceLink): void {
    this.disconnect();
    this.#link = link;
    link.presence.on("changed", (state) => {
      if (this.#link === link) this.#take(state, link.clientId);
    });
    link.presence.on("refused", (reason) => {
      if (this.#link === link) this.#fail(reason, `the service refused the presence: ${reason}`);
    });
    this.#send();
  }

  /**
   * The connection is lost. The list stays as it was, so that nothing flickers; whoever has gone
   * meanwhile is missing from the list that the next connection brings.
   */
  disconnect(): void {
    this.#link = undefined;
    this.#hasJoined = false;
    this.#isCurrent = false;
    this.#cancelTimer();
  }

  #send(): void {
    const link = this.#link;
    if (link === undefined || this.#local === undefined) return;
    if (link.supportedFeatures.presence_v1 !== true) {
      this.#fail("unsupported", "the service has no server-backed presence");
      return;
    }
    if (this.#timer !== undefined) {
      this.#isStale = true;
      return;
    }
    if (this.#hasJoined) link.presence.update(this.#local);
    else link.presence.join(this.#local);
    this.#hasJoined = true;
    this.#isStale = false;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      if (this.#isStale) this.#send();
    }, SEND_INTERVAL_MS);
  }

  #cancelTimer(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#isStale = false;
  }

  /**
   * The service tells of changes also to whoever is not present, but the whole list only to one that
   * joins: it is whole once this client is in it.
   */
  #take(state: unknown, ownClientId: string): void {
    if (this.#local === undefined) return;
    const all = [...marks(state)];
    if (!all.some(({ clientId }) => clientId === ownClientId)) return;
    this.#isCurrent = true;
    this.#replace(new Map(all.flatMap((one) => this.#read(one))));
  }

  #replace(next: Map<string, Present<TState>>): void {
    const before = this.#present;
    this.#present = next;
    let differs = false;
    for (const [clientId, gone] of before) {
      if (next.has(clientId)) continue;
      differs = true;
      this.#events.emit("left", entryOf(gone));
    }
    for (const [clientId, one] of next) {
      const previous = before.get(clientId);
      if (previous?.ref === one.ref) continue;
      differs = true;
      if (previous === undefined) this.#events.emit("joined", entryOf(one));
      else this.#events.emit("updated", entryOf(one), entryOf(previous));
    }
    if (differs) this.#events.emit("changed");
  }

  /** The client by its id, if its state has the app's form. */
  #read({ state, ...rest }: Present<object>): [string, Present<TState>][] {
    return this.#isState(state) ? [[rest.clientId, { ...rest, state }]] : [];
  }

  #fail(reason: LeveePresenceReason, message: string): void {
    const error = new LeveePresenceError(reason, message);
    if (!this.#events.emit("error", error)) this.#report(error);
  }
}

/** Every meta of `{user: {metas: [meta, …]}}` that has the service's own members. */
function* marks(users: unknown): Iterable<Present<object>> {
  if (!isObject(users)) return;
  for (const [userId, value] of Object.entries(users)) {
    const metas = isObject(value) ? value.metas : undefined;
    if (!Array.isArray(metas)) continue;
    for (const meta of metas) {
      if (!isObject(meta)) continue;
      const { phx_ref: ref, clientId, ...state } = meta;
      if (typeof ref !== "string" || typeof clientId !== "string") continue;
      yield { userId, clientId, ref, state };
    }
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function entryOf<TState extends object>({
  userId,
  clientId,
  state,
}: Present<TState>): LeveePresenceEntry<TState> {
  return { userId, clientId, state };
}

/** Refuses here what the service would refuse, where the mistake was made. */
function check(state: object): void {
  if (!isObject(state)) {
    throw new LeveePresenceError("invalid_meta", "a presence state is a plain object");
  }
  const reserved = RESERVED.find((name) => Object.hasOwn(state, name));
  if (reserved !== undefined) {
    throw new LeveePresenceError("invalid_meta", `the service writes ${reserved} itself`);
  }
  const bytes = new TextEncoder().encode(JSON.stringify(state)).length;
  if (bytes > STATE_BYTES_MAX) {
    throw new LeveePresenceError(
      "meta_too_large",
      `a presence state of ${bytes} bytes; the service takes ${STATE_BYTES_MAX}`,
    );
  }
}

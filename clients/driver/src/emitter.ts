// Events in the form that Fluid's interfaces ask for, without a dependency on Node's.

// biome-ignore lint/suspicious/noExplicitAny: what it takes is known where it is added and called
type Listener = (...args: any[]) => void;

type ArgumentsOf<Events, Name extends keyof Events> = Events[Name] extends readonly unknown[]
  ? Events[Name]
  : never;

/** What listens to an event of an emitter, whose events are names with the listeners' arguments. */
export type ListenerOf<Events, Name extends keyof Events> = (
  ...args: ArgumentsOf<Events, Name>
) => void;

/**
 * Calls listeners in the order they were added. A listener that throws does not keep the others
 * from being called; what it threw is thrown again in a task of its own, where the platform
 * reports it.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<PropertyKey, { listener: Listener; once: boolean }[]>();

  on<Name extends keyof Events>(event: Name, listener: ListenerOf<Events, Name>): this {
    return this.#add(event, listener as Listener, false);
  }

  once<Name extends keyof Events>(event: Name, listener: ListenerOf<Events, Name>): this {
    return this.#add(event, listener as Listener, true);
  }

  off<Name extends keyof Events>(event: Name, listener: ListenerOf<Events, Name>): this {
    return this.#remove(event, listener as Listener);
  }

  #remove(event: PropertyKey, listener: Listener): this {
    const listeners = this.#listeners.get(event) ?? [];
    const at = listeners.findIndex((known) => known.listener === listener);
    if (at >= 0) this.#listeners.set(event, listeners.toSpliced(at, 1));
    return this;
  }

  listenerCount(event: keyof Events): number {
    return this.#listeners.get(event)?.length ?? 0;
  }

  protected emit<Name extends keyof Events>(event: Name, ...args: ArgumentsOf<Events, Name>): void {
    const listeners = this.#listeners.get(event) ?? [];
    for (const { listener, once } of listeners) {
      if (once) this.#remove(event, listener);
      try {
        listener(...args);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
  }

  #add(event: PropertyKey, listener: Listener, once: boolean): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), { listener, once }]);
    return this;
  }
}

// Events in the form that Fluid's interfaces ask for, without a dependency on Node's.

type Listener = (...args: never[]) => void;

/** The events of an emitter: a name and the arguments that its listeners get. */
export type EventMap = Record<string, readonly unknown[]>;

/**
 * Calls listeners in the order they were added. A listener that throws does not keep the others
 * from being called; what it threw is thrown again in a task of its own, where the platform
 * reports it.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<PropertyKey, { listener: Listener; once: boolean }[]>();

  on(event: string, listener: (...args: never[]) => void): this {
    return this.#add(event, listener, false);
  }

  once(event: string, listener: (...args: never[]) => void): this {
    return this.#add(event, listener, true);
  }

  off(event: string, listener: (...args: never[]) => void): this {
    const listeners = this.#listeners.get(event) ?? [];
    const at = listeners.findIndex((known) => known.listener === listener);
    if (at >= 0) this.#listeners.set(event, listeners.toSpliced(at, 1));
    return this;
  }

  listenerCount(event: keyof Events): number {
    return this.#listeners.get(event)?.length ?? 0;
  }

  protected emit<Name extends keyof Events>(
    event: Name,
    ...args: Events[Name] extends readonly unknown[] ? Events[Name] : never
  ): void {
    const listeners = this.#listeners.get(event) ?? [];
    for (const { listener, once } of listeners) {
      if (once) this.off(event as string, listener);
      try {
        (listener as (...args: readonly unknown[]) => void)(...args);
      } catch (error) {
        setTimeout(() => {
          throw error;
        });
      }
    }
  }

  #add(event: string, listener: Listener, once: boolean): this {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), { listener, once }]);
    return this;
  }
}

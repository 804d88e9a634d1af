/** A listener of each event, by the event's name. */
// biome-ignore lint/suspicious/noExplicitAny: listeners of every shape are kept here.
type Listeners<TEvents> = { [E in keyof TEvents]: (...args: any[]) => void };

/** Tells listeners, in the order they came. One that throws does not keep the others from hearing. */
export class Emitter<TEvents extends Listeners<TEvents>> {
  readonly #listeners = new Map<keyof TEvents, Set<TEvents[keyof TEvents]>>();

  on<E extends keyof TEvents>(event: E, listener: TEvents[E]): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners.add(listener));
    return () => {
      listeners.delete(listener);
    };
  }

  off<E extends keyof TEvents>(event: E, listener: TEvents[E]): void {
    this.#listeners.get(event)?.delete(listener);
  }

  /** Whether anybody heard it. What a listener throws is thrown again as an unhandled error. */
  emit<E extends keyof TEvents>(event: E, ...args: Parameters<TEvents[E]>): boolean {
    const listeners = [...(this.#listeners.get(event) ?? [])];
    for (const listener of listeners) {
      try {
        listener(...args);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
    return listeners.length > 0;
  }
}

/** A listener for one kind of event. */
export type Listener<Event> = (event: Event) => void;

/** Ends a subscription; calling it again has no effect. */
export type Unsubscribe = () => void;

/**
 * Typed events. A listener that throws does not stop the others, nor the replica behind them: its error is thrown
 * again in a task of its own, where the host reports it like any uncaught one.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<{ readonly listener: Listener<never> }>>();

  /** Subscribes to events of one name. Two subscriptions of one function are two: each has its own end. */
  on<Name extends keyof Events>(name: Name, listener: Listener<Events[Name]>): Unsubscribe {
    const subscriptions = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, subscriptions);
    const subscription = { listener };
    subscriptions.add(subscription);
    return () => void subscriptions.delete(subscription);
  }

  /** Calls every listener of that name, in the order of subscription. */
  emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const { listener } of [...(this.#listeners.get(name) ?? [])]) {
      try {
        (listener as Listener<Events[Name]>)(event);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }

  /** Whether anybody listens for that name. */
  hasListeners(name: keyof Events): boolean {
    return (this.#listeners.get(name)?.size ?? 0) > 0;
  }

  /** Forgets every listener. */
  clear(): void {
    this.#listeners.clear();
  }
}

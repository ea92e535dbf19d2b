import type { Store } from "../../server/store/store.ts";

/** A store under test. */
export interface Subject {
  readonly store: Store;
  /** Lets time pass by the store's clock, at least this much. */
  pass(ms: number): Promise<void>;
}

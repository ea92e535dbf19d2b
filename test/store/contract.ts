/** What every store does, run over both: see the files beside it. */
import { describe } from "vitest";
import type { Store } from "../../server/store/store.ts";
import { commitContract } from "./contract-commit.ts";
import { documentContract } from "./contract-documents.ts";
import { logContract } from "./contract-log.ts";
import { presenceContract } from "./contract-presence.ts";

export interface Subject {
  readonly store: Store;
  /** Lets time pass by the store's clock, at least this much. */
  pass(ms: number): Promise<void>;
}

/** Declares the suite; `subject` is asked within the tests. */
export function storeContract(name: string, subject: () => Subject): void {
  describe(`${name} store`, () => {
    documentContract(subject);
    commitContract(subject);
    logContract(subject);
    presenceContract(subject);
  });
}

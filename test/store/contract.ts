/** What every store does, run over both: see the files beside it. */
import { describe } from "vitest";
import { assetContract } from "./contract-assets.ts";
import { commitContract } from "./contract-commit.ts";
import { documentContract } from "./contract-documents.ts";
import { logContract } from "./contract-log.ts";
import { presenceContract } from "./contract-presence.ts";
import { versionsContract } from "./contract-versions.ts";
import type { Subject } from "./subject.ts";

/** Declares the suite; `subject` is asked within the tests. */
export function storeContract(name: string, subject: () => Subject): void {
  describe(`${name} store`, () => {
    documentContract(subject);
    assetContract(subject);
    commitContract(subject);
    logContract(subject);
    presenceContract(subject);
    versionsContract(subject);
  });
}

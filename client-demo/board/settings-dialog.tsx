import { useId, useState } from "react";
import type { DocumentReplica } from "../../client/index.ts";
import type { Account } from "../app/account.ts";
import { Dialog } from "../app/dialog.tsx";
import { changeAsOwner } from "../app/join.ts";
import { messageOf } from "../app/notices.tsx";
import { PolicyChoice } from "../app/policy-choice.tsx";

/** What its owner decides about a board: its name, and what becomes of two changes to one thing. */
export function SettingsDialog(props: {
  readonly board: DocumentReplica;
  readonly account: Account;
  onClose(): void;
}) {
  const { board, account, onClose } = props;
  const [name, setName] = useState(() => board.documentMetadata?.name ?? "");
  const [policy, setPolicy] = useState(() => board.documentMetadata?.conflictPolicy ?? "lww");
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string>();
  const field = useId();
  const save = async (): Promise<void> => {
    const before = board.documentMetadata;
    const fields = {
      ...(name.trim() === "" || name.trim() === before?.name ? {} : { name: name.trim() }),
      ...(policy === before?.conflictPolicy ? {} : { conflictPolicy: policy }),
    };
    if (busy) return;
    if (Object.keys(fields).length === 0) return onClose();
    setBusy(true);
    setProblem(undefined);
    try {
      await changeAsOwner(account, board.documentId, fields);
      onClose();
    } catch (error) {
      setBusy(false);
      setProblem(`That was not saved. ${messageOf(error)}`);
    }
  };
  return (
    <Dialog title="Board settings" onClose={onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          void save();
        }}
      >
        <label htmlFor={field}>Name</label>
        <p className="row">
          <input
            id={field}
            maxLength={120}
            autoComplete="off"
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
        </p>
        <PolicyChoice
          legend="When two people change the same thing at once"
          policy={policy}
          onPolicy={setPolicy}
        />
        <p role="alert">{problem}</p>
        <p className="row end">
          {/* Not `disabled`, which would take the focus out of the dialog. */}
          <button type="submit" className="primary" aria-disabled={busy}>
            Save
          </button>
        </p>
      </form>
    </Dialog>
  );
}

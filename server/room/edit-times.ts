/**
 * Makes `updatedAt` and `updatedBy` of documents follow their edits, in one statement for all of them now and then: both
 * are indexed, and written with every commit they would cost more than it. They are late after a crash until the
 * next edit; nothing else is lost.
 */
import type { Logger } from "../observability/log.ts";
import type { DocumentEdit, Store } from "../store/store.ts";

export interface EditTimes {
  /** The newest edit of its document on this instance. */
  edited(edit: DocumentEdit): void;
  /** Writes what waits. */
  close(): Promise<void>;
}

export interface EditTimesOptions {
  readonly store: { readonly documents: Pick<Store["documents"], "touch"> };
  readonly log: Logger;
  /** From an edit to its writing: docs/rest.md says how late `updatedAt` is. */
  readonly everyMs?: number;
}

/** Documents of one statement: it holds their rows, and commits to them wait meanwhile. */
const atOnce = 100;
/** A row is mostly held by a commit, for milliseconds. Who holds one for longer is not waited for until the next time. */
const tries = 4;
const againMs = 100;

export function createEditTimes({ store, log, everyMs = 15_000 }: EditTimesOptions): EditTimes {
  const edits = new Map<string, DocumentEdit>();
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  function schedule(): void {
    timer ??= setTimeout(() => {
      timer = undefined;
      writing = writing.then(write);
    }, everyMs);
  }

  async function write(): Promise<void> {
    let due = take();
    for (let attempt = 1; due.length > 0 && attempt <= tries; attempt += 1) {
      if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, againMs));
      due = await writeFree(due);
    }
    putBack(due);
  }

  /** Returns those whose rows are held. */
  async function writeFree(due: readonly DocumentEdit[]): Promise<DocumentEdit[]> {
    const held = new Set<string>();
    for (let from = 0; from < due.length; from += atOnce) {
      try {
        for (const docId of await store.documents.touch(due.slice(from, from + atOnce))) held.add(docId);
      } catch (cause) {
        const rest = due.slice(from);
        log.warn({ err: cause, documents: rest.length }, "could not write when documents were edited");
        putBack(rest);
        break;
      }
    }
    return due.filter(({ docId }) => held.has(docId));
  }

  function take(): DocumentEdit[] {
    const all = [...edits.values()];
    edits.clear();
    return all;
  }

  /** Those that were edited again meanwhile have a newer one. */
  function putBack(rest: readonly DocumentEdit[]): void {
    for (const edit of rest) if (!edits.has(edit.docId)) edits.set(edit.docId, edit);
    if (rest.length > 0) schedule();
  }

  return {
    edited(edit) {
      edits.set(edit.docId, edit);
      schedule();
    },
    async close() {
      clearTimeout(timer);
      await writing;
      await write();
      clearTimeout(timer);
    },
  };
}

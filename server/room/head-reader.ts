/**
 * Asks the database where documents stand. Refusals, welcomes and edits without `base` may only be told under a
 * state that is still the database's, asked after the message came: otherwise a client that was acknowledged by one
 * instance is told `element_not_found` by the next. One read answers all that wait, over all rooms: while one is
 * in flight, questions collect for the next, so each question is asked after it was put.
 */
import type { HeadAnswer, KnownOperation, Store } from "../store/store.ts";

export interface HeadReader {
  /** Undefined: no such document. Rejects with `StoreUnavailable`. */
  read(docId: string, ids?: readonly string[]): Promise<HeadAnswer | undefined>;
}

interface Question {
  readonly docId: string;
  readonly ids: readonly string[];
  readonly resolve: (answer: HeadAnswer | undefined) => void;
  readonly reject: (cause: unknown) => void;
}

export function createHeadReader(store: {
  readonly documents: Pick<Store["documents"], "heads">;
}): HeadReader {
  let waiting: Question[] = [];
  let reading = false;

  async function run(): Promise<void> {
    while (waiting.length > 0) {
      const questions = waiting;
      waiting = [];
      try {
        answer(questions, await store.documents.heads(combine(questions)));
      } catch (cause) {
        for (const question of questions) question.reject(cause);
      }
    }
    reading = false;
  }

  return {
    read: (docId, ids = []) =>
      new Promise((resolve, reject) => {
        waiting.push({ docId, ids, resolve, reject });
        if (reading) return;
        reading = true;
        // At the end of the turn, so that the questions of all frames read in it share the query.
        setImmediate(() => void run());
      }),
  };
}

function combine(questions: readonly Question[]): { docId: string; ids: string[] }[] {
  const idsByDocument = new Map<string, Set<string>>();
  for (const { docId, ids } of questions) {
    let all = idsByDocument.get(docId);
    if (all === undefined) {
      all = new Set();
      idsByDocument.set(docId, all);
    }
    for (const id of ids) all.add(id);
  }
  return [...idsByDocument].map(([docId, ids]) => ({ docId, ids: [...ids] }));
}

function answer(questions: readonly Question[], answers: readonly HeadAnswer[]): void {
  const byDocument = new Map(
    answers.map(({ known, ...rest }) => {
      // By id: when everybody comes back at once, each question is one of thousands about the same document.
      const byId = new Map(known.map((operation) => [operation.id, operation]));
      return [rest.head.docId, { ...rest, byId }];
    }),
  );
  for (const { docId, ids, resolve } of questions) {
    const found = byDocument.get(docId);
    if (found === undefined) {
      resolve(undefined);
      continue;
    }
    const { head, byId, retainedFrom } = found;
    const known: readonly KnownOperation[] = [...new Set(ids)].flatMap((id) => byId.get(id) ?? []);
    resolve({ head, known, retainedFrom });
  }
}

/**
 * What the database says before a submit is refused, and before one without `base` is decided: a client that one
 * instance has acknowledged would otherwise be refused by another one that lags.
 */
import { type Entry, idsOf } from "./submission.ts";
import type { SubmitRoom } from "./submit-room.ts";

export interface ConfirmationsOptions {
  readonly room: Pick<SubmitRoom, "document" | "version" | "locks" | "follow" | "reach">;
  /** What was asked about an entry is known. */
  readonly onAnswer: (entry: Entry) => void;
  readonly onFailure: (entry: Entry, cause: unknown) => void;
}

export class Confirmations {
  readonly #options: ConfirmationsOptions;

  constructor(options: ConfirmationsOptions) {
    this.#options = options;
  }

  /**
   * Whether the room's state is at least as new as the database's was after the submit came. Asks the database where that
   * is not known, and lets the room read what it is behind by.
   */
  isCurrent(entry: Entry): boolean {
    const { room } = this.#options;
    if (entry.confirmation === undefined) {
      if (!entry.asked) this.#ask(entry);
      return false;
    }
    const { head } = entry.confirmation;
    if (
      room.version >= head.version &&
      room.document.metadataVersion >= head.metadataVersion &&
      room.locks.revision >= head.revision &&
      room.version >= room.locks.version
    ) {
      return true;
    }
    room.follow(head);
    return false;
  }

  /** Whether the locks were read after the submit came; reads them otherwise. */
  hasLocks(entry: Entry): boolean {
    const { room, onAnswer, onFailure } = this.#options;
    if (entry.locks === undefined) {
      entry.locks = "asked";
      room.locks.reading.start().then(
        () => {
          entry.locks = "read";
          onAnswer(entry);
        },
        (cause: unknown) => onFailure(entry, cause),
      );
    }
    return entry.locks === "read";
  }

  /** What was said of it is out of date: the next look asks again. */
  forget(entry: Entry): void {
    entry.confirmation = undefined;
    entry.asked = false;
  }

  #ask(entry: Entry): void {
    const { room, onAnswer, onFailure } = this.#options;
    entry.asked = true;
    // Not asked of the database alone: an answer of another history says nothing of what this room decides by.
    room.reach(idsOf(entry.submission.ops)).then(
      (answer) => {
        if (answer === undefined) return;
        entry.confirmation = answer;
        onAnswer(entry);
      },
      (cause: unknown) => onFailure(entry, cause),
    );
  }
}

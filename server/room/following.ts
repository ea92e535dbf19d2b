/**
 * Where the database stands, and how a room gets there: operations by `catchingUp`, metadata by `refreshing`, locks by
 * `locks.reading`. Each runs once at a time and looks again when it was asked meanwhile.
 *
 * Notifications come ahead of each other, twice, or not at all. What follows on the state is applied as it comes. What
 * lies behind a gap waits for what fills it: the answer of a proposal of this room, a read that is under way, or another
 * instance's notification (two instances that commit one after the other need not be heard in that order). Only when
 * nothing has filled it after a moment is it read from the log: with four instances on the same documents, reading at
 * once was five reads for each commit.
 */
import type { SequencedOperation } from "../../shared/document/operation.ts";
import type { DocumentState } from "../../shared/document/state.ts";
import { type ChangeNews, type OperationsNews, readNotified } from "../fanout/news.ts";
import type { Logger } from "../observability/log.ts";
import { type DocumentRecord, type Head, type HeadAnswer, StoreUnavailable } from "../store/store.ts";
import type { RoomLocks } from "./locks.ts";
import { Repeatable } from "./repeatable.ts";
import { forgetInTurns } from "./retention.ts";
import type { RoomServices } from "./services.ts";
import { decodeSequenced, encodeSequenced } from "./wire.ts";

export interface Advance {
  readonly operation: SequencedOperation;
  /** Its JSON. */
  readonly text: string;
}

/** Where a room stood. */
export type Position = Pick<Head, "version" | "operationId" | "metadataVersion" | "revision">;

export interface FollowingOptions {
  readonly docId: string;
  readonly services: Pick<RoomServices, "store" | "heads" | "metrics" | "nowMs">;
  readonly log: Logger;
  readonly state: DocumentState;
  readonly locks: () => Pick<RoomLocks, "revision" | "version" | "reading">;
  /** A proposal is in flight. */
  readonly proposing: () => boolean;
  /** There are submits: a proposal is in flight, or about to be made. */
  readonly submitting: () => boolean;
  /** The next operations, without a gap. */
  readonly advance: (advances: readonly Advance[]) => void;
  readonly documentChanged: (before: DocumentRecord, after: DocumentRecord) => void;
  /** Tells other instances. */
  readonly publish: (news: OperationsNews | ChangeNews) => void;
  readonly end: (reason: "missing" | "history") => void;
  /** After each read, a turn later: what waited for it may be decided. */
  readonly onRead: () => void;
}

/** Bytes of one read of the log. */
const catchUpBytes = 1024 * 1024;
/** News from behind a gap that wait for it to be filled; anti-entropy looks after a second anyway. */
const maxEarlyNews = 32;
/** How long a gap waits for notifications. */
const gapMs = 50;

export class Following {
  readonly #options: FollowingOptions;
  // Whoever started them: submits that waited for what they read are decided afterwards, when they no longer count
  // as running.
  readonly #catchingUp = new Repeatable(
    () => this.#catchUp().finally(() => this.settled()),
    () => this.#options.onRead(),
  );
  readonly #refreshing = new Repeatable(
    () => this.#refresh(),
    () => this.#options.onRead(),
  );
  #document: DocumentRecord;
  #retainedFrom: number;
  /** Heard from behind a gap. */
  #early: OperationsNews[] = [];
  /** Of those (and of one that is being heard) what this room stored and has not told others. */
  readonly #own = new Set<OperationsNews>();
  #gapTimer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(document: DocumentRecord, retainedFrom: number, options: FollowingOptions) {
    this.#options = options;
    this.#document = document;
    this.#retainedFrom = retainedFrom;
  }

  /** The metadata as last read. */
  get document(): DocumentRecord {
    return this.#document;
  }
  /** The lowest version in the live log, as far as was heard. */
  get retainedFrom(): number {
    return this.#retainedFrom;
  }
  /** Where the room stands. */
  get position(): Position {
    const { version, operationId } = this.#options.state;
    const { metadataVersion } = this.#document;
    return { version, operationId, metadataVersion, revision: this.#options.locks().revision };
  }
  /** Operations are being read. */
  get catchingUp(): boolean {
    return this.#catchingUp.running;
  }

  close(): void {
    this.#closed = true;
    this.#early = [];
    this.#own.clear();
    clearTimeout(this.#gapTimer);
  }

  /**
   * Reads what is missing of where the database was seen to stand. `asked`: where this room stood before it was looked
   * at, so that another history shows; where a commit says it, the history was compared already.
   */
  follow(head: Head, asked?: Position): void {
    if (this.#closed) return;
    if (asked !== undefined && wentBack(head, asked)) {
      this.#options.end("history");
      return;
    }
    const work = new Set(this.#lacking(head));
    if (asked !== undefined && this.#isElsewhere(head, asked)) work.add(this.#catchingUp);
    if (head.state !== this.#document.state) work.add(this.#refreshing);
    for (const one of work) this.#lookUp(one);
  }

  /** Reads the operations that are missing, in the background. */
  catchUp(): void {
    this.#lookUp(this.#catchingUp);
  }

  /** Operations that this room committed, not next to where it stands: they follow when the gap is filled, if there is one. */
  stored(news: OperationsNews): void {
    this.#own.add(news);
    this.hear(news);
  }

  /** Operations that others committed. */
  hear(news: OperationsNews): void {
    const { state, services, publish, docId } = this.#options;
    if (this.#closed) return;
    const follows = news.from <= state.version + 1;
    // Too large to be notified: what others committed before a proposal is in its answer as well, and until a read is
    // done nothing is proposed. Where two instances work on one hot document, that read was one for each commit.
    const isAnswered = news.texts === undefined && news.to > state.version && this.#options.submitting();
    const waits = isAnswered || (!follows && news.texts !== undefined);
    if (waits && this.#early.length < maxEarlyNews) {
      this.#early.push(news);
      this.#gapTimer ??= setTimeout(() => this.#fillGap(), gapMs);
      return;
    }
    // Others are told now that it is known what they follow on; by that, who lives in another history finds out.
    if (this.#own.delete(news)) {
      const isNext = news.from === state.version + 1;
      publish(isNext ? { ...news, previousId: state.operationId } : { kind: "change", docId });
    }
    if (news.to <= state.version) return;
    const lacking =
      follows && !differ(idBefore(news, state.version), state.operationId)
        ? lackingOf(news, state.version)
        : undefined;
    const last = lacking?.at(-1);
    if (lacking === undefined || last === undefined) {
      this.catchUp();
      return;
    }
    const lagMs = services.nowMs() - Date.parse(last.operation.at);
    services.metrics.fanoutLagSeconds.observe(Math.max(0, lagMs) / 1000);
    this.advance(lacking);
    this.settled();
  }

  /** The state has moved: what was heard too early may follow now. */
  settled(): void {
    const { version } = this.#options.state;
    const follows = ({ from }: OperationsNews) => from <= version + 1;
    const due = this.#early.filter(follows);
    if (due.length === 0) return;
    this.#early = this.#early.filter((one) => !follows(one));
    // Each that moves the state looks for those that follow on it; one that goes on waiting is put back.
    for (const one of due) this.hear(one);
  }

  /**
   * What lies behind the gap has waited long enough, unless a proposal is in flight whose answer may fill it. Not when
   * something stored here waits: its authors wait for their answer, and a busy room always has a proposal in flight.
   */
  #fillGap(): void {
    this.#gapTimer = undefined;
    if (this.#early.length === 0) return;
    if (this.#options.proposing() && this.#own.size === 0)
      this.#gapTimer = setTimeout(() => this.#fillGap(), gapMs);
    else this.catchUp();
  }

  /** Applies what follows on the state; what is known already is left out, a gap is read from the log. */
  advance(advances: readonly Advance[]): void {
    const { version } = this.#options.state;
    const news = advances.filter(({ operation }) => operation.version > version);
    const first = news[0];
    if (first === undefined || this.#closed) return;
    if (first.operation.version === version + 1) this.#options.advance(news);
    else this.catchUp();
  }

  /** Asks the database where it stands, and goes there. Undefined: the room has ended. */
  async reach(ids: readonly string[] = []): Promise<HeadAnswer | undefined> {
    const { services, docId, end } = this.#options;
    const asked = this.position;
    const answer = await services.heads.read(docId, ids);
    if (answer === undefined) end("missing");
    else if (wentBack(answer.head, asked)) end("history");
    else this.retain(answer.retainedFrom);
    // Purged, and made again under its id, before this room heard of either.
    if (answer !== undefined && !this.#closed && this.#isElsewhere(answer.head, asked))
      await this.#catchingUp.start();
    while (answer !== undefined && !this.#closed) {
      const work = this.#lacking(answer.head);
      if (work.length === 0) return answer;
      await Promise.all(work.map((one) => one.start()));
    }
    return undefined;
  }

  /** Resolves when the operations up to a version are sent, or the room has ended. */
  async reached(version: number): Promise<void> {
    while (!this.#closed && this.#options.state.version < version) await this.#catchingUp.start();
  }

  /** The log before this version was archived, as the database says. */
  retain(from: number): void {
    if (from <= this.#retainedFrom || this.#closed) return;
    this.#retainedFrom = from;
    forgetInTurns(this.#options.state.memory, from);
  }

  /** The memory was cut: what is older than it can only be judged as too old a base. */
  reachesBackTo(from: number): void {
    this.#retainedFrom = Math.max(this.#retainedFrom, from);
  }

  /** In the background: when it fails, the database is away, and anti-entropy comes back to it. */
  #lookUp(work: Repeatable): void {
    work.start().catch((cause: unknown) => {
      this.#options.log.warn({ err: cause }, "could not read what the room lacks");
    });
  }

  /** Whether a head seems to be of another history than this room's: reading on from here finds out, and ends it. */
  #isElsewhere(head: Head, asked: Pick<Position, "version" | "operationId">): boolean {
    // The state may be newer than the head, which was read before news came; where the room stood before may not.
    const isOther = (at: Pick<Position, "version" | "operationId">) =>
      at.version === head.version && differ(at.operationId, head.operationId);
    return head.version < asked.version || isOther(asked) || isOther(this.#options.state);
  }

  /** What has to be read to get where the database was seen to stand. */
  #lacking(head: Head): Repeatable[] {
    const locks = this.#options.locks();
    return [
      ...(this.#options.state.version < Math.max(head.version, locks.version) ? [this.#catchingUp] : []),
      ...(this.#document.metadataVersion < head.metadataVersion ? [this.#refreshing] : []),
      ...(locks.revision < head.revision ? [locks.reading] : []),
    ];
  }

  async #catchUp(): Promise<void> {
    const { services, docId, state, end } = this.#options;
    services.metrics.catchUps.inc();
    while (!this.#closed) {
      const after = { version: state.version, id: state.operationId };
      const range = await services.store.operations.after(docId, after, catchUpBytes);
      switch (range.outcome) {
        case "range":
          this.advance(
            range.operations.map((row) => ({ operation: decodeSequenced(row), text: encodeSequenced(row) })),
          );
          if (range.complete) return;
          if (range.operations.length === 0) throw new StoreUnavailable(endsEarly(range.head, after.version));
          break;
        case "missing":
          end("missing");
          return;
        case "archived":
        case "history":
          end("history");
          return;
      }
    }
  }

  async #refresh(): Promise<void> {
    const { services, docId, end, documentChanged } = this.#options;
    const document = await services.store.documents.get(docId);
    if (this.#closed) return;
    if (document === undefined) {
      end("missing");
      return;
    }
    const before = this.#document;
    const changed = document.metadataVersion > before.metadataVersion || document.state !== before.state;
    if (document.metadataVersion >= before.metadataVersion) this.#document = document;
    if (changed) documentChanged(before, document);
  }
}

/** Neither ever does: what the room knows was lost in a failover. */
function wentBack(head: Head, asked: Position): boolean {
  return head.metadataVersion < asked.metadataVersion || head.revision < asked.revision;
}

/** Somebody changed the tables by hand: asking again and again would not help. */
function endsEarly({ docId, version }: Head, last: number): string {
  return `the log of document ${docId} ends at version ${last}, its row says ${version}: see npx aetherflow verify`;
}

/** The id of the operation at a version, as the news know it; null: they do not say. */
function idBefore({ from, texts, previousId }: OperationsNews, version: number): string | null {
  const text = texts?.[version - from];
  return text === undefined ? previousId : (readNotified(text, version)?.id ?? null);
}

/** What the news brings beyond a version; undefined where it cannot be told from the news. */
function lackingOf({ from, texts }: OperationsNews, version: number): Advance[] | undefined {
  const advances: Advance[] = [];
  for (const text of texts?.slice(version + 1 - from) ?? []) {
    const operation = readNotified(text, version + 1 + advances.length);
    if (operation === undefined) return undefined;
    advances.push({ operation, text });
  }
  return advances;
}

/** Two ids of the operation at one version, where both are known. */
function differ(one: string | null, other: string | null): boolean {
  return one !== null && other !== null && one !== other;
}

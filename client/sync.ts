/**
 * Bringing a replica to where a `welcome` says: its snapshot in parts, the operations after it, then what became of the
 * submit that was in flight when the last connection ended.
 */
import type { Properties } from "../shared/document/json.ts";
import type { SequencedOperation } from "../shared/document/operation.ts";
import type { SnapshotPart, Welcome } from "../shared/protocol/messages.ts";
import type { Rebased, Replica } from "./replica.ts";

/** What has changed since the welcome, once everything is here. */
export interface SyncOutcome extends Rebased {
  /** A snapshot replaced the state, so anything may have changed. */
  readonly replaced: boolean;
}

/** What the welcome answers. */
export interface SyncOptions {
  /** `hello` said where the replica is (`since`). Otherwise nobody compared the histories. */
  readonly continues: boolean;
  /** An earlier welcome asked for it, and its connection ended before everything was here. */
  readonly rebaseOwed: boolean;
}

export class Sync {
  readonly #replica: Replica;
  readonly #welcome: Welcome;
  readonly #parts: Map<string, Properties> | undefined;
  readonly #changed = new Set<string>();
  readonly #rebase: boolean;
  /** The snapshot is of the replica's own past: going back would only undo what it knows. */
  readonly #behind: boolean;
  #partsMissing: boolean;

  constructor(replica: Replica, welcome: Welcome, { continues, rebaseOwed }: SyncOptions) {
    this.#replica = replica;
    this.#welcome = welcome;
    const { snapshot } = welcome;
    const sameHistory = continues && welcome.rebase !== true;
    this.#rebase = !sameHistory || rebaseOwed;
    this.#behind = sameHistory && snapshot !== undefined && snapshot.version <= replica.version;
    this.#parts = snapshot === undefined ? undefined : new Map(Object.entries(snapshot.elements));
    this.#partsMissing = snapshot?.more ?? false;
    if (!this.#partsMissing) this.#install();
    // With parts to come there are none here.
    if (welcome.ops.length > 0) this.operations(welcome.ops);
  }

  /** Further elements of the snapshot. */
  part(message: SnapshotPart): void {
    if (!this.#partsMissing) return;
    for (const [element, properties] of Object.entries(message.elements))
      this.#parts?.set(element, properties);
    this.#partsMissing = message.more;
    if (!this.#partsMissing) this.#install();
  }

  /**
   * Operations towards the welcome's version.
   * @throws GapError
   */
  operations(operations: readonly SequencedOperation[]): void {
    const { version } = this.#replica;
    const news = this.#behind ? operations.filter((operation) => operation.version > version) : operations;
    for (const element of this.#replica.receive(news)) this.#changed.add(element);
  }

  /** Everything is here; undefined when it is not. Call it until it is. */
  finish(): SyncOutcome | undefined {
    const { version, committed, snapshot } = this.#welcome;
    if (this.#partsMissing || this.#replica.version < version) return undefined;
    const changed = this.#changed;
    const dropped: SyncOutcome["dropped"][number][] = [];
    const inFlight = this.#replica.inFlight;
    if (inFlight?.operations.some(({ id }) => committed[id] !== undefined)) {
      for (const element of this.#replica.acknowledge()) changed.add(element);
    }
    if (this.#rebase) {
      const rebased = this.#replica.rebase();
      dropped.push(...rebased.dropped);
      for (const element of rebased.changed) changed.add(element);
    }
    return { changed, dropped, replaced: snapshot !== undefined && !this.#behind };
  }

  #install(): void {
    const { snapshot, committed } = this.#welcome;
    if (snapshot === undefined || this.#parts === undefined || this.#behind) return;
    const { version, id } = snapshot;
    const state = { version, elements: this.#parts, ...(id === undefined ? {} : { id }) };
    for (const element of this.#replica.install(state, (operationId) => committed[operationId]))
      this.#changed.add(element);
  }
}

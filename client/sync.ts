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

export class Sync {
  readonly #replica: Replica;
  readonly #welcome: Welcome;
  readonly #parts: Map<string, Properties> | undefined;
  readonly #changed = new Set<string>();
  readonly #rebase: boolean;
  #partsMissing: boolean;

  /** @param rebase whether pending changes have to be made anew; may be owed from an earlier welcome. */
  constructor(replica: Replica, welcome: Welcome, rebase: boolean) {
    this.#replica = replica;
    this.#rebase = rebase;
    this.#welcome = welcome;
    const { snapshot } = welcome;
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
    for (const element of this.#replica.receive(operations)) this.#changed.add(element);
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
    return { changed, dropped, replaced: snapshot !== undefined };
  }

  #install(): void {
    const { snapshot, committed } = this.#welcome;
    if (snapshot === undefined || this.#parts === undefined) return;
    const { version, id } = snapshot;
    const contained = (operationId: string): boolean => (committed[operationId] ?? Infinity) <= version;
    const state = { version, elements: this.#parts, ...(id === undefined ? {} : { id }) };
    for (const element of this.#replica.install(state, contained)) this.#changed.add(element);
  }
}

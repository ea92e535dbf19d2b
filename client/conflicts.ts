/**
 * The document's conflict records that wait for somebody to decide (policy `manual`), as far as this replica has heard of
 * them: from the app's own look-up (`load`, over REST) and from `conflict` and `resolved` since.
 */
import type { ConflictInfo, ResolveChoice } from "../shared/protocol/messages.ts";
import { AlreadyResolvedError, RequestError } from "./errors.ts";
import type { Requests } from "./requests.ts";

/** How to resolve. */
export interface ResolveOptions {
  /** The version that the resolver has seen; what was held back later stays a conflict. Default: this replica's. */
  readonly base?: number;
  /** How long to wait for the answer, over reconnects; default 10 s. */
  readonly timeoutMs?: number;
}

const maxResolved = 1_000;

export class Conflicts {
  readonly #requests: Requests;
  readonly #self: () => { readonly userId: string | undefined; readonly version: number };
  readonly #onChange: (unresolved: readonly ConflictInfo[]) => void;
  readonly #unresolved = new Map<string, ConflictInfo>();
  /** Resolved lately: an older list must not bring them back. */
  readonly #resolved = new Set<string>();
  #list: readonly ConflictInfo[] = [];

  constructor(options: {
    readonly requests: Requests;
    readonly self: () => { readonly userId: string | undefined; readonly version: number };
    readonly onChange: (unresolved: readonly ConflictInfo[]) => void;
  }) {
    this.#requests = options.requests;
    this.#self = options.self;
    this.#onChange = options.onChange;
  }

  /** The unresolved records, the oldest first. The same array until something changes. */
  get unresolved(): readonly ConflictInfo[] {
    return this.#list;
  }

  /** An unresolved record. */
  get(conflictId: string): ConflictInfo | undefined {
    return this.#unresolved.get(conflictId);
  }

  /** The unresolved records of an element. */
  of(element: string): readonly ConflictInfo[] {
    return this.#list.filter((conflict) => conflict.element === element);
  }

  /**
   * Adds what was there before this replica came, and after every time that it was away: `rest.conflicts()` or any other
   * list. Records that this replica has heard of stay as it heard of them.
   */
  async load(list: () => Promise<Iterable<ConflictInfo>>): Promise<void> {
    const before = new Map(this.#unresolved);
    const found = new Map([...(await list())].map((conflict) => [conflict.id, conflict]));
    for (const conflict of found.values()) {
      if (conflict.resolvedAt !== null || this.#resolved.has(conflict.id)) continue;
      if (this.#unresolved.get(conflict.id) === before.get(conflict.id))
        this.#unresolved.set(conflict.id, conflict);
    }
    // Known before and not in the list: resolved while nobody told it here.
    for (const [id, conflict] of before) {
      if (!found.has(id) && this.#unresolved.get(id) === conflict) this.#unresolved.delete(id);
    }
    this.#refresh();
  }

  /**
   * Settles a record: what stands (`current`), what was held back (`incoming`), or own values.
   * @returns the record as resolved; its operations have arrived here before.
   * @throws AlreadyResolvedError when somebody was faster; RequestError.
   */
  async resolve(
    conflictId: string,
    choose: ResolveChoice,
    options: ResolveOptions = {},
  ): Promise<ConflictInfo> {
    const { userId, version } = this.#self();
    const { base = version, timeoutMs } = options;
    try {
      const { result } = await this.#requests.ask(
        { type: "resolve", conflictId, choose, base },
        timeoutMs === undefined ? {} : { timeoutMs },
      );
      if (result.conflict === undefined)
        throw new RequestError("internal", "an answer without a conflict record");
      this.resolved(result.conflict);
      return result.conflict;
    } catch (error) {
      if (!(error instanceof RequestError) || error.code !== "already_resolved") throw error;
      const conflict = error.details?.conflict as ConflictInfo | undefined;
      if (conflict !== undefined) this.resolved(conflict);
      // The first copy was carried out, and its answer lost with the connection.
      if (error.repeated && conflict !== undefined && conflict.resolvedBy === userId) return conflict;
      throw new AlreadyResolvedError(error.message, conflict);
    }
  }

  /** `conflict`. */
  made(conflict: ConflictInfo): void {
    if (conflict.resolvedAt !== null || this.#resolved.has(conflict.id)) return;
    this.#unresolved.set(conflict.id, conflict);
    this.#refresh();
  }

  /** `resolved`, or an answer that says so. */
  resolved(conflict: ConflictInfo): void {
    this.#resolved.add(conflict.id);
    const [oldest] = this.#resolved;
    if (oldest !== undefined && this.#resolved.size > maxResolved) this.#resolved.delete(oldest);
    if (this.#unresolved.delete(conflict.id)) this.#refresh();
  }

  #refresh(): void {
    const list = [...this.#unresolved.values()].sort((a, b) =>
      a.createdAt === b.createdAt ? (a.id < b.id ? -1 : 1) : a.createdAt < b.createdAt ? -1 : 1,
    );
    if (list.length === this.#list.length && list.every((conflict, index) => conflict === this.#list[index]))
      return;
    this.#list = list;
    this.#onChange(list);
  }
}

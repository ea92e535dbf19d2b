/**
 * The claims of one replica on its client id: operations belong to their author, the pair of user and client id, and one
 * author is never in two live replicas. A replica whose user changes has one for each, until it ends: it may become the
 * former user again.
 */
import { hasUnsent } from "./storage/forget.ts";
import type { Release, ReplicaStorage } from "./storage/storage.ts";

/** What claims are made with. */
export interface ClaimsOptions {
  readonly storage: ReplicaStorage;
  readonly clientId: () => string;
  /** Whether the application named the client id: others may have the same. */
  readonly named: () => boolean;
}

export class Claims {
  readonly #options: ClaimsOptions;
  /** By scope. */
  readonly #asked = new Map<string, Promise<void>>();
  readonly #held = new Set<Release>();
  #unknown = false;
  #released = false;

  constructor(options: ClaimsOptions) {
    this.#options = options;
  }

  /** The storage cannot know which replicas are live (browsers without Web Locks). */
  get areUnknown(): boolean {
    return this.#unknown && this.#held.size === 0;
  }

  has(scope: string): boolean {
    return this.#asked.has(scope);
  }

  /** A claim that was made already. @param release undefined: it cannot be known whether others have the client id. */
  add(scope: string, release: Release | undefined): void {
    this.#asked.set(scope, Promise.resolve());
    if (release === undefined) this.#unknown = true;
    else if (this.#released) release();
    else this.#held.add(release);
  }

  /**
   * Claims the client id in a scope, if that has not been done.
   * @throws Error where nothing may be stored under it.
   */
  own(scope: string): Promise<void> {
    let asked = this.#asked.get(scope);
    if (asked === undefined) {
      asked = this.#claim(scope);
      this.#asked.set(scope, asked);
      asked.catch(() => this.#asked.delete(scope));
    }
    return asked;
  }

  /** Others may have the client id. */
  release(): void {
    this.#released = true;
    for (const release of this.#held) release();
    this.#held.clear();
  }

  async #claim(scope: string): Promise<void> {
    const { storage, clientId, named } = this.#options;
    const release = await storage.claim(scope, clientId());
    try {
      if (release === undefined) {
        // Nobody else has a generated id, so it is the storage that cannot know.
        if (named() || this.#held.size > 0) throw new Error("another live replica has this client id");
        this.#unknown = true;
        return;
      }
      // This replica is connected already, so it cannot continue what is stored, and would overwrite it.
      const stored = await storage.load(scope, clientId());
      if (stored !== undefined && hasUnsent(stored))
        throw new Error("unsent changes of an earlier replica are stored under this client id");
      if (this.#released) throw new Error("the document is closed");
    } catch (error) {
      release?.();
      throw error;
    }
    this.#held.add(release);
  }
}

/** Pages of lists. */

export interface Page {
  /** 1–200. */
  readonly limit: number;
  /** Opaque, from `nextCursor`. Another is an `UnreadableCursor`. */
  readonly cursor?: string;
}

export interface Paged<T> {
  readonly items: readonly T[];
  readonly nextCursor: string | null;
}

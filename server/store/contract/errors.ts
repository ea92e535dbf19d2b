/** What the store throws. */

/** The database did not answer, or answered that it cannot now. What was asked for may have happened. */
export class StoreUnavailable extends Error {
  override readonly name: string = "StoreUnavailable";
}

/** A migration has not run yet: tables or functions of this version are missing. */
export class SchemaOutdated extends StoreUnavailable {
  override readonly name = "SchemaOutdated";
  /** For logs: where it was noticed says nothing. */
  readonly isExplained = true;
}

/** The database refused a value as such (SQLSTATE class 22 or 23): asking again cannot help. */
export class StoreRefused extends Error {
  override readonly name: string = "StoreRefused";
}

/** A page's cursor is none that this list gave. */
export class UnreadableCursor extends StoreRefused {
  override readonly name = "UnreadableCursor";
}

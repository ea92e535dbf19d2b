/**
 * The records of what collided. An operation belongs to one record, that of its latest colliding write; the record
 * names every operation that it collided with. Repeated collisions of the same two authors on one element join their
 * record, so that two people dragging one shape make one record and not hundreds.
 */
import type { Collision } from "./collide.ts";
import type { Author, Operation } from "./operation.ts";

/** A record to make, or (with `join`) to widen by further operations and properties. */
export interface ConflictWrite {
  readonly id: string;
  readonly join: boolean;
  readonly element: string;
  /** Empty: the whole element. A join unites them; once empty, always empty. */
  readonly properties: readonly string[];
  readonly resolution: "lww" | "merge" | "manual";
  /** Null: unresolved (`manual`). The commit of a join answers `resolved` when the record is resolved by then and this is null. */
  readonly resolvedBy: string | null;
  readonly description: string;
  /** `user` + "\n" + `client` of the two sides. */
  readonly authors: readonly string[];
  readonly operations: readonly string[];
}

/** A record whose last collision is recent enough to be joined. */
export interface RecentConflict {
  readonly id: string;
  readonly element: string;
  readonly authors: readonly string[];
  readonly resolution: "lww" | "merge" | "manual";
  readonly resolvedBy: string | null;
}

/** An operation that was decided: what collided, and what became of it. */
export interface CollidedOperation {
  readonly operation: Operation;
  readonly author: Author;
  readonly collisions: readonly Collision[];
  readonly outcome: "applied" | "merged" | "held";
  /** Where it collides with nothing itself, but was held back beside one that does: that one's latest write. */
  readonly beside?: Collision["with"];
}

interface Draft {
  readonly id: string;
  readonly join: boolean;
  readonly element: string;
  readonly sides: readonly [Author, Author];
  readonly properties: Set<string>;
  readonly held: boolean;
  merged: boolean;
  whole: boolean;
  readonly operations: Set<string>;
}

/** Who resolves a collision at once. */
const system = "system";
/** Properties that a description names. */
const maxNamed = 5;

/**
 * The records that decided operations make or join, and each operation's record.
 * `recent`: the document's records whose last collision is at most 10 s ago by the database's clock, and all that are
 * unresolved.
 */
export function recordConflicts(from: {
  readonly decided: readonly CollidedOperation[];
  readonly recent: Iterable<RecentConflict>;
  readonly newId: () => string;
}): { writes: ConflictWrite[]; byOperation: Map<string, string> } {
  const byOperation = new Map<string, string>();
  const records = new Map<string, Draft>();
  let open: Map<string, string> | undefined;
  for (const { operation, author, collisions, outcome, beside } of from.decided) {
    const latest = latestOf(collisions) ?? beside;
    if (latest === undefined) continue;
    open ??= joinable(from.recent, new Set(from.decided.map((each) => each.operation.element)));
    const { element } = operation;
    const held = outcome === "held";
    const key = placeOf(held, element, [authorKey(author), authorKey(latest.author)]);
    const joined = open.get(key);
    let record = records.get(key);
    if (record === undefined) {
      const id = joined ?? from.newId();
      const sides = [latest.author, author] as const;
      const names = { properties: new Set<string>(), operations: new Set<string>() };
      const join = joined !== undefined;
      record = { id, join, element, sides, held, merged: false, whole: false, ...names };
      records.set(key, record);
    }
    if (outcome === "merged") record.merged = true;
    for (const collision of collisions) {
      if (collision.property === null) record.whole = true;
      else record.properties.add(collision.property);
    }
    const others = collisions.map((collision) => collision.with).sort((a, b) => a.version - b.version);
    for (const { operationId } of others) record.operations.add(operationId);
    record.operations.add(operation.id);
    byOperation.set(operation.id, record.id);
  }
  return { writes: [...records.values()].map(written), byOperation };
}

function latestOf(collisions: readonly Collision[]): Collision["with"] | undefined {
  let latest: Collision["with"] | undefined;
  for (const collision of collisions) {
    if (latest === undefined || collision.with.version > latest.version) latest = collision.with;
  }
  return latest;
}

/**
 * Records on these elements that a collision may join, by their place; the newest (the last of the list) where there are
 * several. Of the others, of which thousands may be unresolved, nothing is made.
 */
function joinable(recent: Iterable<RecentConflict>, elements: ReadonlySet<string>): Map<string, string> {
  const open = new Map<string, string>();
  for (const each of recent) {
    if (!elements.has(each.element)) continue;
    const { id, element, authors, resolution, resolvedBy } = each;
    const held = resolution === "manual";
    if (resolvedBy !== (held ? null : system)) continue;
    open.set(placeOf(held, element, authors), id);
  }
  return open;
}

/** What is held back has records of its own: those of the system are resolved. */
function placeOf(held: boolean, element: string, authors: readonly string[]): string {
  return JSON.stringify([held, element, ...[...authors].sort()]);
}

/** An author as records name it. */
export function authorKey({ user, client }: Author): string {
  return `${user}\n${client}`;
}

function written(record: Draft): ConflictWrite {
  const { id, join, element, sides, properties, whole, operations, held, merged } = record;
  const names = whole ? [] : [...properties];
  const resolution = held ? "manual" : merged ? "merge" : "lww";
  return {
    id,
    join,
    element,
    properties: names,
    resolution,
    resolvedBy: held ? null : system,
    description: describeConflict(element, sides, names, resolution),
    authors: sides.map(authorKey),
    operations: [...operations],
  };
}

const endings = {
  lww: "the later change was kept",
  merge: "their changes were merged",
  manual: "the later change waits for somebody to choose",
} as const;

/** What a record says of itself: whose changes collided, where, and what became of them. */
export function describeConflict(
  element: string,
  [first, second]: readonly [Author, Author],
  properties: readonly string[],
  resolution: keyof typeof endings,
): string {
  const who =
    first.user === second.user ? `${first.user} (in two places)` : `${first.user} and ${second.user}`;
  const more = properties.length > maxNamed ? ` and ${properties.length - maxNamed} more` : "";
  const what = properties.length === 0 ? "" : `${properties.slice(0, maxNamed).join(", ")}${more} of `;
  return `${who} changed ${what}${element} at the same time; ${endings[resolution]}`;
}

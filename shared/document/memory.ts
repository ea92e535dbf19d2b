/**
 * The write memory as text, in parts that stand for themselves: each has its own table of authors, so that who wrote
 * nothing that is still remembered falls out on the way. Records are written once for each element.
 */

import { createMemory, type DocumentMemory, type FrozenMemory, internAuthor } from "./document-memory.ts";
import type {
  ElementMemory,
  LifeEvent,
  PropertyMemory,
  SpliceEvent,
  WholeMemory,
  WriteRecord,
} from "./element-memory.ts";
import type { Json, Properties } from "./json.ts";
import type { Author, SpliceEdit } from "./operation.ts";

/** A part is closed when it is this long, in UTF-16 units; a single larger entry alone may exceed it. */
const partLength = 192 * 1024;
/** Splices of one property in one entry. */
const splicesPerEntry = 500;

type RecordRow = [version: number, author: number, operationId: string, at: string, life: "c" | "d" | null];
/** Places in the entry's table of records; -1: none. */
type WholeRow = [last: number, other: number, otherValues: Properties | null];
type PropertyRow = [name: string, last: number, other: number, overwrite: number, otherValue?: Json];
type SpliceRow = [record: RecordRow, edits: readonly SpliceEdit[]];
type ElementRow = [
  element: string,
  existedBefore: boolean,
  records: RecordRow[],
  latest: number,
  life: number[],
  whole: WholeRow | null,
  properties: PropertyRow[],
];
/** Oldest first; entries of one property follow on each other. */
type SplicesRow = [element: string, name: string, splices: SpliceRow[]];

interface Part {
  format: 1;
  since: number;
  authors: [user: string, client: string][];
  elements: ElementRow[];
  splices: SplicesRow[];
}

/**
 * A memory as texts of about 256 KiB at most. Where it is written to before the last text is drawn, give a frozen one
 * (`freezeMemory`).
 */
export function* encodeMemory(memory: FrozenMemory): Iterable<string> {
  let part = new PartWriter(memory.since);
  for (const [element, remembered] of memory.elements) {
    part.addElement(element, remembered);
    if (part.length >= partLength) {
      yield part.text();
      part = new PartWriter(memory.since);
    }
    for (const [name, { splices }] of remembered.properties) {
      const events: SpliceEvent[] = [];
      for (let event = splices; event !== undefined; event = event.previous) events.push(event);
      events.reverse();
      for (let from = 0; from < events.length; from += splicesPerEntry) {
        part.addSplices(element, name, events.slice(from, from + splicesPerEntry));
        if (part.length >= partLength) {
          yield part.text();
          part = new PartWriter(memory.since);
        }
      }
    }
  }
  yield part.text();
}

class PartWriter {
  length = 0;
  readonly #since: number;
  readonly #authors = new Map<Author, number>();
  readonly #elements: string[] = [];
  readonly #splices: string[] = [];

  constructor(since: number) {
    this.#since = since;
  }

  addElement(element: string, memory: ElementMemory): void {
    const records: RecordRow[] = [];
    const places = new Map<WriteRecord, number>();
    const place = (record: WriteRecord | undefined): number => {
      if (record === undefined) return -1;
      let found = places.get(record);
      if (found === undefined) {
        found = records.push(this.#record(record)) - 1;
        places.set(record, found);
      }
      return found;
    };
    const life: number[] = [];
    for (let event = memory.life; event !== undefined; event = event.previous) life.push(place(event.record));
    life.reverse();
    const { whole } = memory;
    const wholeRow: WholeRow | null =
      whole === undefined ? null : [place(whole.last), place(whole.other), whole.otherValues ?? null];
    const properties: PropertyRow[] = [];
    for (const [name, { last, other, otherValue, overwrite }] of memory.properties) {
      const row: PropertyRow = [name, place(last), place(other), place(overwrite)];
      if (otherValue !== undefined) row.push(otherValue);
      properties.push(row);
    }
    const latest = place(memory.latest);
    const row: ElementRow = [element, memory.existedBefore, records, latest, life, wholeRow, properties];
    this.#add(this.#elements, row);
  }

  addSplices(element: string, name: string, events: readonly SpliceEvent[]): void {
    const rows = events.map(({ record, edits }): SpliceRow => [this.#record(record), edits]);
    this.#add(this.#splices, [element, name, rows] satisfies SplicesRow);
  }

  text(): string {
    const authors = [...this.#authors.keys()].map(({ user, client }) => [user, client]);
    const head = `{"format":1,"since":${this.#since},"authors":${JSON.stringify(authors)}`;
    return `${head},"elements":[${this.#elements.join(",")}],"splices":[${this.#splices.join(",")}]}`;
  }

  #add(rows: string[], row: ElementRow | SplicesRow): void {
    const text = JSON.stringify(row);
    this.length += text.length;
    rows.push(text);
  }

  #record({ version, author, operationId, at, life }: WriteRecord): RecordRow {
    let index = this.#authors.get(author);
    if (index === undefined) {
      index = this.#authors.size;
      this.#authors.set(author, index);
      this.length += author.user.length + author.client.length;
    }
    return [version, index, operationId, at, life === null ? null : life === "create" ? "c" : "d"];
  }
}

/** The memory that {@link encodeMemory} wrote. Throws when the parts are not its. */
export function decodeMemory(parts: Iterable<string>): DocumentMemory {
  const decoder = new MemoryDecoder();
  for (const part of parts) decoder.add(part);
  return decoder.memory();
}

/**
 * The same part by part: one takes some milliseconds, and a large document has a hundred. What a later part says of an
 * element stands instead of what an earlier one did.
 */
export class MemoryDecoder {
  #memory: DocumentMemory | undefined;

  /** The next part. Throws when it is none of {@link encodeMemory}'s. */
  add(text: string): void {
    const part = JSON.parse(text) as Part;
    if (part.format !== 1) throw new Error(`write memory of unknown format ${String(part.format)}`);
    this.#memory ??= createMemory();
    this.#memory.since = part.since;
    readPart(this.#memory, part);
  }

  /** Of all parts added. Throws when there were none. */
  memory(): DocumentMemory {
    if (this.#memory === undefined) throw new Error("write memory without parts");
    // Whatever is written to from here on counts as touched.
    this.#memory.epoch += 1;
    return this.#memory;
  }
}

function readPart(memory: DocumentMemory, part: Part): void {
  const authors = part.authors.map(([user, client]) => internAuthor(memory, user, client));
  for (const row of part.elements) memory.elements.set(row[0], readElement(row, authors, memory.epoch));
  for (const [element, name, rows] of part.splices) {
    const properties = memory.elements.get(element)?.properties;
    const entry = properties?.get(name);
    if (properties === undefined || entry === undefined) throw new Error("splices of what is not remembered");
    let { splices } = entry;
    for (const [record, edits] of rows)
      splices = { record: readRecord(record, authors), edits, previous: splices };
    properties.set(name, { ...entry, splices });
  }
}

function readElement(row: ElementRow, authors: readonly Author[], epoch: number): ElementMemory {
  const [, existedBefore, recordRows, latestAt, lifeAt, wholeRow, propertyRows] = row;
  const records = recordRows.map((record) => readRecord(record, authors));
  const at = (place: number): WriteRecord => {
    const record = records[place];
    if (record === undefined) throw new Error("write memory without a record that it names");
    return record;
  };
  const maybe = (place: number): WriteRecord | undefined => (place < 0 ? undefined : at(place));
  let life: LifeEvent | undefined;
  for (const place of lifeAt) life = { record: at(place), previous: life };
  const whole: WholeMemory | undefined =
    wholeRow === null
      ? undefined
      : { last: at(wholeRow[0]), other: maybe(wholeRow[1]), otherValues: wholeRow[2] ?? undefined };
  const properties = new Map<string, PropertyMemory>();
  for (const [name, last, other, overwrite, otherValue] of propertyRows) {
    const entry = {
      last: at(last),
      other: maybe(other),
      otherValue,
      overwrite: maybe(overwrite),
      splices: undefined,
    };
    properties.set(name, entry);
  }
  return { latest: at(latestAt), existedBefore, life, whole, properties, parent: undefined, epoch };
}

function readRecord(
  [version, author, operationId, at, life]: RecordRow,
  authors: readonly Author[],
): WriteRecord {
  const known = authors[author];
  if (known === undefined) throw new Error("write memory without an author that it names");
  const kind = life === null ? null : life === "c" ? "create" : "delete";
  return { version, author: known, operationId, at, life: kind };
}

/**
 * The write memory of a document: what conflicts are judged by, and what blame is read from. It is written with the
 * snapshots, so that it reaches back to the beginning of the retained log after a restart too.
 */
import {
  type ElementMemory,
  existsNow,
  type PropertyMemory,
  saidByWhole,
  type WriteRecord,
} from "./element-memory.ts";
import type { Author } from "./operation.ts";

export interface DocumentMemory {
  /** Every operation after this version is remembered. */
  since: number;
  readonly elements: Map<string, ElementMemory>;
  /** By user, by client. */
  readonly authors: Map<string, Map<string, Author>>;
  /** Grows when a copy is taken: what is older is copied before it is changed. */
  epoch: number;
  /** Elements whose memory was written to since whoever keeps count (the snapshot writer) emptied this. */
  touched: Set<string>;
}

/** A memory that knows everything after `since`. */
export function createMemory(since = 0): DocumentMemory {
  return { since, elements: new Map(), authors: new Map(), epoch: 0, touched: new Set() };
}

/** The one object that stands for an author in this memory. */
export function internAuthor(memory: DocumentMemory, user: string, client: string): Author {
  let clients = memory.authors.get(user);
  if (clients === undefined) {
    clients = new Map();
    memory.authors.set(user, clients);
  }
  let author = clients.get(client);
  if (author === undefined) {
    author = { user, client };
    clients.set(client, author);
  }
  return author;
}

/** An element's memory, to be written to. `existed`: whether the element was there, if nothing is remembered of it. */
export function touchElement(
  memory: DocumentMemory,
  element: string,
  existed: boolean,
  latest: WriteRecord,
): ElementMemory {
  const found = memory.elements.get(element);
  if (found !== undefined && found.epoch === memory.epoch) return found;
  memory.touched.add(element);
  const touched =
    found === undefined
      ? emptyElement(existed, latest, memory.epoch)
      : { ...found, properties: new Map(found.properties), epoch: memory.epoch };
  memory.elements.set(element, touched);
  return touched;
}

/** The memory of an element that nothing is remembered of. */
export function emptyElement(existed: boolean, latest: WriteRecord, epoch: number): ElementMemory {
  const properties = new Map<string, PropertyMemory>();
  return {
    latest,
    existedBefore: existed,
    life: undefined,
    whole: undefined,
    properties,
    parent: undefined,
    epoch,
  };
}

/** What is remembered, as it was when it was frozen. */
export interface FrozenMemory {
  readonly since: number;
  readonly elements: Iterable<readonly [string, ElementMemory]>;
}

/**
 * The memory as it is at this moment, however it is written to afterwards. Costs a list of the elements (of 50,000 some
 * 2 ms; another map would take 10), and later a copy of each element's that is written to.
 */
export function freezeMemory(memory: DocumentMemory): FrozenMemory {
  memory.epoch++;
  return { since: memory.since, elements: [...memory.elements] };
}

/** The same of the elements in `touched` only. What was forgotten is not told: where it is read again, nobody asks for it. */
export function freezeTouched(memory: DocumentMemory): FrozenMemory {
  memory.epoch++;
  const elements: [string, ElementMemory][] = [];
  for (const element of memory.touched) {
    const found = memory.elements.get(element);
    if (found !== undefined) elements.push([element, found]);
  }
  return { since: memory.since, elements };
}

/**
 * Forgets what only bases older than the retained log would ask for. `version`: the lowest that is still in the log.
 * The last write of each property is kept however old it is, for blame.
 */
export function forgetBefore(memory: DocumentMemory, version: number): void {
  for (const _ of forgetInSteps(memory, version, Number.POSITIVE_INFINITY));
}

/**
 * The same, so many elements at a time. Between the steps the memory may be read and written to: nobody asks any more
 * for what is not forgotten yet.
 */
export function* forgetInSteps(memory: DocumentMemory, version: number, elements: number): Iterable<void> {
  if (version - 1 <= memory.since) return;
  memory.since = version - 1;
  let seen = 0;
  for (const [element, found] of memory.elements) {
    if (++seen % elements === 0) yield;
    if (found.latest.version < version && !existsNow(found)) {
      memory.elements.delete(element);
      continue;
    }
    forgetOfElement(touchElement(memory, element, true, found.latest), version);
  }
}

function forgetOfElement(memory: ElementMemory, version: number): void {
  const { life, whole } = memory;
  memory.life = newer(life, version);
  for (let event = life; event !== undefined; event = event.previous) {
    if (event.record.version >= version) continue;
    memory.existedBefore = event.record.life === "create";
    break;
  }
  if (whole?.other !== undefined && whole.other.version < version) {
    memory.whole = { last: whole.last, other: undefined, otherValues: undefined };
  }
  for (const [name, entry] of memory.properties) {
    const { last, overwrite } = entry;
    const keepsOther = entry.other !== undefined && entry.other.version >= version;
    const other = keepsOther ? entry.other : undefined;
    const splices = newer(entry.splices, version);
    const otherValue = keepsOther ? entry.otherValue : undefined;
    const kept = { last, other, otherValue, overwrite, splices };
    if (memory.whole !== undefined && saidByWhole(name, kept, memory.whole)) memory.properties.delete(name);
    else memory.properties.set(name, kept);
  }
}

/** The events of a list (newest first) from a version on; the same list when that is all of it. */
function newer<T extends { readonly record: WriteRecord; readonly previous: T | undefined }>(
  list: T | undefined,
  version: number,
): T | undefined {
  const kept: T[] = [];
  let event = list;
  for (; event !== undefined && event.record.version >= version; event = event.previous) kept.push(event);
  if (event === undefined) return list;
  let rebuilt: T | undefined;
  for (const each of kept.reverse()) rebuilt = { ...each, previous: rebuilt };
  return rebuilt;
}

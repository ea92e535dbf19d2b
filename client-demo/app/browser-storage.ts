/** What the browser keeps for this page. It may be forbidden, or full: nothing that is kept here is worth failing for. */
type Kind = "local" | "session";

const storageOf = (kind: Kind): Storage => (kind === "local" ? localStorage : sessionStorage);

export function recall(key: string, kind: Kind = "local"): string | undefined {
  try {
    return storageOf(kind).getItem(key) ?? undefined;
  } catch {
    return undefined;
  }
}

/** A list that was kept as JSON; an empty one where there is none. */
export function recallList(key: string): readonly unknown[] {
  try {
    const list: unknown = JSON.parse(recall(key) ?? "[]");
    return Array.isArray(list) ? list : [];
  } catch {
    return [];
  }
}

/** Undefined: nothing any more. */
export function keep(key: string, value: string | undefined, kind: Kind = "local"): void {
  try {
    if (value === undefined) storageOf(kind).removeItem(key);
    else storageOf(kind).setItem(key, value);
  } catch {
    // As above.
  }
}

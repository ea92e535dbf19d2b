import { readCursor, writeCursor } from "../cursor.ts";
import { type NamedVersion, StoreRefused, type VersionStore } from "../store.ts";
import { type MemoryState, timeOf } from "./state.ts";

/** Named versions in memory. */
export function createVersions(state: MemoryState): VersionStore {
  const sorted = (docId: string) => [...(state.documents.get(docId)?.named.values() ?? [])].sort(byVersion);
  return {
    async create(docId, { name, version: wanted, createdBy }) {
      const document = state.documents.get(docId);
      if (document === undefined) return { outcome: "missing" };
      const { version: current } = document.record;
      const version = wanted ?? current;
      if (version > current) return { outcome: "beyond", version: current };
      if (version < document.retainedFrom - 1) return { outcome: "archived" };
      // As VARCHAR(255).
      if ([...name].length > 255) throw new StoreRefused("a name is longer than 255 characters");
      if (document.named.has(name)) return { outcome: "taken" };
      const named = { name, version, createdAt: timeOf(state.nowMs()), createdBy };
      document.named.set(name, named);
      return { outcome: "created", named };
    },
    async list(docId, page) {
      const cursor = page.cursor === undefined ? undefined : readCursor(page.cursor, "version", "text");
      const rest = sorted(docId).filter(
        (named) => cursor === undefined || byVersion(named, { version: cursor[0], name: cursor[1] }) > 0,
      );
      const items = rest.slice(0, page.limit);
      const last = items.at(-1);
      const more = rest.length > page.limit && last !== undefined;
      return { items, nextCursor: more ? writeCursor(last.version, last.name) : null };
    },
    async remove(docId, name) {
      return state.documents.get(docId)?.named.delete(name) ?? false;
    },
    async marked(docId) {
      return [...new Set(sorted(docId).map(({ version }) => version))];
    },
  };
}

type Place = Pick<NamedVersion, "version" | "name">;

function byVersion(a: Place, b: Place): number {
  if (a.version !== b.version) return a.version - b.version;
  return Buffer.compare(Buffer.from(a.name), Buffer.from(b.name));
}

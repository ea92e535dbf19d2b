import type { Properties } from "../../shared/document/json.ts";
import type { ReplicaStorage, StoredHead } from "./storage.ts";

/** Keeps replicas as long as it lives: a document that is closed and opened again continues. Also for tests. */
export function memoryStorage(): ReplicaStorage {
  const replicas = new Map<
    string,
    { head: StoredHead; elements: Map<string, Properties>; scope: string; clientId: string }
  >();
  const claims = new Set<string>();
  const keyOf = (scope: string, clientId: string): string => JSON.stringify([scope, clientId]);
  return {
    list: async (scope) =>
      [...replicas.values()]
        .filter((replica) => replica.scope === scope)
        .map(({ clientId }) => clientId)
        .reverse(),
    load: async (scope, clientId) => {
      const replica = replicas.get(keyOf(scope, clientId));
      return replica && { head: replica.head, elements: new Map(replica.elements) };
    },
    save: async (scope, clientId, { head, elements, whole }) => {
      const key = keyOf(scope, clientId);
      const before = replicas.get(key);
      if (!whole && before === undefined) return "missing";
      const present = new Map(whole ? [] : before?.elements);
      for (const [element, properties] of elements) {
        if (properties === null) present.delete(element);
        else present.set(element, properties);
      }
      replicas.delete(key);
      replicas.set(key, { head: structuredClone(head), elements: present, scope, clientId });
      return "stored";
    },
    remove: async (scope, clientId) => void replicas.delete(keyOf(scope, clientId)),
    claim: async (scope, clientId) => {
      const key = keyOf(scope, clientId);
      if (claims.has(key)) return undefined;
      claims.add(key);
      return () => void claims.delete(key);
    },
  };
}

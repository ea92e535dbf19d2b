/**
 * Replicas in a browser's IndexedDB: a head and, apart from it, each element, written together in one transaction.
 *
 * Who has a client id is known by the Web Locks API: a lock ends with its page, however that ends. Where it is missing
 * (insecure origins), nobody takes over what another page stored.
 */
import type { Properties } from "../../shared/document/json.ts";
import type { Release, ReplicaStorage, StoredHead } from "./storage.ts";

interface HeadRow {
  readonly scope: string;
  readonly clientId: string;
  readonly savedAt: number;
  readonly head: StoredHead;
}

interface ElementRow {
  readonly scope: string;
  readonly clientId: string;
  readonly element: string;
  readonly properties: Properties;
}

/** @param name of the database, for applications that share an origin. */
export function indexedDbStorage(name = "aetherflow-statesync"): ReplicaStorage {
  let opening: Promise<IDBDatabase> | undefined;
  const database = (): Promise<IDBDatabase> => {
    opening ??= open(name, () => {
      opening = undefined;
    });
    opening.catch(() => {
      opening = undefined;
    });
    return opening;
  };
  const run = async <Result>(
    mode: IDBTransactionMode,
    use: (heads: IDBObjectStore, elements: IDBObjectStore) => IDBRequest<Result> | undefined,
  ): Promise<Result | undefined> => {
    const transaction = (await database()).transaction(["heads", "elements"], mode);
    const request = use(transaction.objectStore("heads"), transaction.objectStore("elements"));
    await new Promise<void>((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
    });
    return request?.result;
  };
  return {
    list: async (scope) => {
      const rows = (await run("readonly", (heads) => heads.getAll(within(scope)))) as HeadRow[] | undefined;
      return (rows ?? []).sort((a, b) => b.savedAt - a.savedAt).map(({ clientId }) => clientId);
    },
    load: async (scope, clientId) => {
      let row: IDBRequest<HeadRow | undefined> | undefined;
      const rows = (await run("readonly", (heads, elements) => {
        row = heads.get([scope, clientId]);
        return elements.getAll(within(scope, clientId));
      })) as ElementRow[] | undefined;
      const head = row?.result?.head;
      if (head === undefined) return undefined;
      return {
        head,
        elements: new Map((rows ?? []).map(({ element, properties }) => [element, properties])),
      };
    },
    save: async (scope, clientId, { head, elements: changed, whole }) => {
      let missing = false;
      await run("readwrite", (heads, elements) => {
        const write = (): void => {
          if (whole) elements.delete(within(scope, clientId));
          for (const [element, properties] of changed) {
            if (properties === null) elements.delete([scope, clientId, element]);
            else elements.put({ scope, clientId, element, properties } satisfies ElementRow);
          }
          // Only to list them in order; no two machines' clocks meet here.
          heads.put({ scope, clientId, savedAt: Date.now(), head } satisfies HeadRow);
        };
        if (whole) {
          write();
          return undefined;
        }
        const present = heads.count([scope, clientId]);
        present.onsuccess = () => {
          missing = present.result === 0;
          if (!missing) write();
        };
        return undefined;
      });
      return missing ? "missing" : "stored";
    },
    remove: async (scope, clientId) => {
      await run("readwrite", (heads, elements) => {
        heads.delete([scope, clientId]);
        elements.delete(within(scope, clientId));
        return undefined;
      });
    },
    claim: (scope, clientId) => claimByLock(`${name}:${scope}:${clientId}`),
  };
}

/** Every key that begins so: arrays sort after strings. */
function within(...prefix: readonly string[]): IDBKeyRange {
  return IDBKeyRange.bound([...prefix], [...prefix, []]);
}

function open(name: string, onGone: () => void): Promise<IDBDatabase> {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("heads", { keyPath: ["scope", "clientId"] });
      request.result.createObjectStore("elements", { keyPath: ["scope", "clientId", "element"] });
    };
    request.onerror = () => reject(request.error ?? new Error("IndexedDB did not open"));
    request.onsuccess = () => {
      const database = request.result;
      // A newer version wants to upgrade, or the browser threw the data away.
      database.onversionchange = () => {
        database.close();
        onGone();
      };
      database.onclose = onGone;
      resolve(database);
    };
  });
}

async function claimByLock(name: string): Promise<Release | undefined> {
  const locks = globalThis.navigator?.locks;
  if (locks === undefined) return undefined;
  return new Promise((resolve, reject) => {
    locks
      .request(name, { ifAvailable: true }, (lock) => {
        if (lock === null) {
          resolve(undefined);
          return undefined;
        }
        return new Promise<void>((release) => resolve(() => release()));
      })
      .catch(reject);
  });
}

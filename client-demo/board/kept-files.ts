/** Files in this browser (IndexedDB): those not uploaded yet until they are, and others as long as there is room. */

interface Row {
  readonly name: string;
  readonly blob: Blob;
  /** Not uploaded yet: never removed to make room. */
  readonly waiting: boolean;
  readonly keptAt: number;
}

export interface KeptFiles {
  /** Undefined: not here, or this browser keeps nothing. */
  get(name: string): Promise<Blob | undefined>;
  /** Keeps it as well as this browser does; where storage is forbidden or full, not. */
  put(name: string, blob: Blob, options: { readonly waiting: boolean }): Promise<void>;
}

/** What is only a copy takes no more than this in one browser; what was kept first goes first. */
const mostBytes = 64 * 1024 * 1024;

export function keptFiles(databaseName = "aetherflow-files", roomBytes = mostBytes): KeptFiles {
  const open = (): Promise<IDBDatabase> => {
    const request = indexedDB.open(databaseName, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("files", { keyPath: "name" });
    return resultOf(request);
  };
  // Files are rare: a connection for each use leaves none behind that the browser would have to close.
  const use = async <Result>(work: (files: IDBObjectStore) => Promise<Result>): Promise<Result> => {
    const database = await open();
    try {
      const transaction = database.transaction("files", "readwrite");
      const ended = new Promise<void>((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error ?? new Error("the transaction was aborted"));
      });
      const [result] = await Promise.all([work(transaction.objectStore("files")), ended]);
      return result;
    } finally {
      database.close();
    }
  };
  return {
    get: (name) =>
      use((files) => resultOf(files.get(name) as IDBRequest<Row | undefined>)).then(
        (row) => row?.blob,
        () => undefined,
      ),
    put: (name, blob, { waiting }) =>
      use(async (files) => {
        await resultOf(files.put({ name, blob, waiting, keptAt: Date.now() } satisfies Row));
        const copies = (await resultOf(files.getAll() as IDBRequest<Row[]>)).filter((row) => !row.waiting);
        let bytes = 0;
        for (const row of copies.sort((one, other) => other.keptAt - one.keptAt)) {
          bytes += row.blob.size;
          if (bytes > roomBytes) files.delete(row.name);
        }
      }).catch(() => {}),
  };
}

function resultOf<Result>(request: IDBRequest<Result>): Promise<Result> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

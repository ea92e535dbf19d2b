/**
 * Pasted images. An image is an element with a `fileId`; its bytes are kept once, under the hash of their content, in a
 * store of the application's. Which hash belongs to an element is its property `asset`, which lives in the document
 * alone: the editor does not know it. Until it is there, others see the empty frame of the image.
 */
import type { Properties, Unsubscribe } from "../../client/index.ts";
import type { SceneElement } from "./model.ts";

/** Thrown by `put`: the file will never be taken. The message says why, to people. */
export class AssetRefused extends Error {
  override readonly name = "AssetRefused";
}

/** Where the bytes of images are. `put` and `get` may fail: they are tried again, but for `AssetRefused`. */
export interface AssetStore {
  /**
   * Keeps a file that the editor calls `fileId`, on this machine at once; resolves to the SHA-256 of its bytes, in
   * hexadecimal, when others can get them.
   */
  put(fileId: string, blob: Blob): Promise<string>;
  /** What `put` keeps on this machine, also of before a reload. */
  unsent(fileId: string): Promise<Blob | undefined>;
  get(hash: string): Promise<Blob>;
}

interface BinaryFile {
  readonly id: string;
  readonly mimeType: string;
  readonly dataURL: string;
  readonly created: number;
}

interface ImageEditor {
  getSceneElementsIncludingDeleted(): readonly SceneElement[];
  getFiles(): Readonly<Record<string, BinaryFile>>;
  addFiles(files: BinaryFile[]): void;
  onChange(listener: () => void): Unsubscribe;
}

interface ImageBoard {
  readonly elements: ReadonlyMap<string, Properties>;
  get(element: string): Properties | undefined;
  transact(
    change: (transaction: { update(element: string, set: { readonly asset: string }): void }) => void,
    options: { readonly undo: false },
  ): void;
  on(name: "change" | "status", listener: () => void): Unsubscribe;
}

/** A file that failed is tried again after this, then after twice as long, and so on. */
const retryFirstMs = 3_000;
const retryMaxMs = 60_000;

/**
 * Keeps images the same on both sides until `close`. `onWaiting` hears how many others cannot get yet, `onRefused` why
 * one of them never will be.
 */
export function bindImages(
  editor: ImageEditor,
  board: ImageBoard,
  store: AssetStore,
  mayEdit: () => boolean,
  onWaiting: (count: number) => void = () => {},
  onRefused: (reason: string) => void = () => {},
): { close(): void } {
  const hashes = new Map<string, string>();
  /** Files without bytes that this machine was asked for. */
  const asked = new Set<string>();
  /** Files that are on their way, in either direction. */
  const busy = new Set<string>();
  /** Files that others will not get. */
  const refused = new Set<string>();
  /** Files that failed, how often in a row; those that are not tried yet again have a timer. */
  const failed = new Map<
    string,
    { readonly times: number; readonly timer?: ReturnType<typeof setTimeout> }
  >();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let closed = false;

  const look = (): void => {
    if (closed) return;
    const files = editor.getFiles();
    const waiting = new Set<string>();
    for (const element of editor.getSceneElementsIncludingDeleted()) {
      const { fileId } = element as { readonly fileId?: string | null };
      if (element.type !== "image" || element.isDeleted || typeof fileId !== "string") continue;
      const asset = board.get(element.id)?.asset;
      const file = files[fileId];
      if (typeof asset === "string") {
        hashes.set(fileId, asset);
        if (file === undefined) void run(fileId, () => fetchFile(fileId, asset));
      } else if (board.get(element.id) === undefined) {
      } else if (file === undefined) {
        if (!asked.has(fileId)) void run(fileId, () => bringBack(fileId));
      } else if (mayEdit() && !refused.has(fileId)) {
        const known = hashes.get(fileId);
        if (known === undefined) {
          waiting.add(fileId);
          void run(fileId, () => sendFile(file));
        } else board.transact((change) => change.update(element.id, { asset: known }), { undo: false });
      }
    }
    onWaiting(waiting.size);
  };

  const run = async (fileId: string, work: () => Promise<void>): Promise<void> => {
    if (busy.has(fileId) || failed.get(fileId)?.timer !== undefined) return;
    busy.add(fileId);
    try {
      await work();
      failed.delete(fileId);
    } catch (error) {
      if (error instanceof AssetRefused) {
        refused.add(fileId);
        onRefused(error.message);
        return;
      }
      // Offline, or refused for a reason that may pass.
      const times = (failed.get(fileId)?.times ?? 0) + 1;
      const retry = () => {
        failed.set(fileId, { times });
        look();
      };
      const afterMs = Math.min(retryMaxMs, retryFirstMs * 2 ** (times - 1));
      if (!closed) failed.set(fileId, { times, timer: setTimeout(retry, afterMs) });
    } finally {
      busy.delete(fileId);
      look();
    }
  };

  const retryNow = (): void => {
    for (const { timer: waiting } of failed.values()) clearTimeout(waiting);
    failed.clear();
  };

  const sendFile = async (file: BinaryFile): Promise<void> => {
    const blob = await (await fetch(file.dataURL)).blob();
    hashes.set(file.id, await store.put(file.id, new Blob([blob], { type: file.mimeType })));
  };

  /** Pasted before a reload, and not sent since. */
  const bringBack = async (fileId: string): Promise<void> => {
    const blob = await store.unsent(fileId);
    asked.add(fileId);
    if (blob !== undefined) await addFile(fileId, blob);
  };

  const fetchFile = async (fileId: string, asset: string): Promise<void> => {
    await addFile(fileId, await store.get(asset));
  };

  const addFile = async (fileId: string, blob: Blob): Promise<void> => {
    const file = { id: fileId, mimeType: blob.type, dataURL: await dataUrlOf(blob), created: Date.now() };
    if (!closed) editor.addFiles([file]);
  };

  // The editor tells of every rendering; images are rare.
  const schedule = (): void => {
    timer ??= setTimeout(() => {
      timer = undefined;
      look();
    }, 100);
  };
  const onStatus = (): void => {
    retryNow();
    schedule();
  };
  const stops = [editor.onChange(schedule), board.on("change", schedule), board.on("status", onStatus)];
  schedule();
  return {
    close: () => {
      closed = true;
      clearTimeout(timer);
      retryNow();
      for (const stop of stops) stop();
    },
  };
}

function dataUrlOf(blob: Blob): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(blob);
  });
}

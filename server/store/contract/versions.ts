/** Named versions. */
import type { Page, Paged } from "./page.ts";

/** A moment of a document that somebody named. */
export interface NamedVersion {
  readonly name: string;
  readonly version: number;
  readonly createdAt: string;
  readonly createdBy: string;
}

export type NameVersionResult =
  | { readonly outcome: "created"; readonly named: NamedVersion }
  | { readonly outcome: "taken" }
  /** The document was never at this version. */
  | { readonly outcome: "beyond"; readonly version: number }
  /** Older than the retained log: the content there can not be rebuilt. */
  | { readonly outcome: "archived" }
  | { readonly outcome: "missing" };

export interface VersionStore {
  /** Without a version: the current one. */
  create(
    docId: string,
    named: { readonly name: string; readonly version?: number; readonly createdBy: string },
  ): Promise<NameVersionResult>;
  /** By version, then by name. */
  list(docId: string, page: Page): Promise<Paged<NamedVersion>>;
  /** False when there is none of this name. */
  remove(docId: string, name: string): Promise<boolean>;
  /** The versions that have a name, each once. */
  marked(docId: string): Promise<number[]>;
}

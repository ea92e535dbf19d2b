/** Files of a document. */
/** An image or file of a document, named by the hash of its content: written once, never changed. */
export interface AssetRecord {
  readonly docId: string;
  /** SHA-256 of the content, lower-case hexadecimal. */
  readonly sha256: string;
  readonly contentType: string;
  readonly body: Uint8Array;
}

export interface NewAsset extends AssetRecord {
  readonly createdBy: string;
  /** The document's `metadataVersion` under which the caller was authorised. */
  readonly metadataVersion: number;
  /** Most bytes of all assets of the document, this one included; 0: no limit. What is put at the same time may overshoot it. */
  readonly maxBytesPerDocument: number;
}

export type PutAssetResult =
  /** `kept`: it was there already; its content type stays. */
  | { readonly outcome: "stored" | "kept" }
  | { readonly outcome: "too_large" }
  /** The document is not active any more, or its metadata moved: authorise again. */
  | { readonly outcome: "changed" }
  | { readonly outcome: "missing" };

export interface AssetStore {
  put(asset: NewAsset): Promise<PutAssetResult>;
  get(docId: string, sha256: string): Promise<AssetRecord | undefined>;
  has(docId: string, sha256: string): Promise<boolean>;
}

import { pathSegment } from "./path-segment.ts";

/** The part of a WebSocket that the SDK uses. The browser's, Node.js 22's and the `ws` package's fit. */
export interface ClientSocket {
  readonly readyState: number;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
  /** `ws` only: ends the TCP connection without waiting for the other side. */
  terminate?(): void;
}

/** Makes a socket that offers the one subprotocol. May load its implementation first. */
export type CreateWebSocket = (url: string, subprotocol: string) => ClientSocket | Promise<ClientSocket>;

/** `readyState` of a socket that can send. */
export const openState = 1;

/** The host's own WebSocket; Node.js 20 has none and uses the `ws` package. */
export const createHostWebSocket: CreateWebSocket = async (url, subprotocol) => {
  if (typeof WebSocket === "function") return new WebSocket(url, subprotocol);
  // Not a literal: bundlers for browsers must not follow it.
  const packageName = "ws";
  const { WebSocket: NodeWebSocket } = (await import(/* @vite-ignore */ packageName)) as typeof import("ws");
  return new NodeWebSocket(url, subprotocol, { perMessageDeflate: false });
};

/**
 * The WebSocket address of a document on a server.
 * @param server `http(s)://…` or `ws(s)://…`, with or without a path before `/v1`.
 */
export function documentAddress(server: string, documentId: string): string {
  let url: URL;
  try {
    url = new URL(server);
  } catch {
    throw new TypeError(`url: expected an address like https://example.org, got ${JSON.stringify(server)}`);
  }
  if (url.protocol === "http:") url.protocol = "ws:";
  if (url.protocol === "https:") url.protocol = "wss:";
  if (url.protocol !== "ws:" && url.protocol !== "wss:")
    throw new TypeError(`url: expected an address of http, https, ws or wss, got ${JSON.stringify(server)}`);
  url.pathname = `${url.pathname.replace(/\/+$/, "")}/v1/documents/${pathSegment("documentId", documentId)}/ws`;
  url.search = "";
  url.hash = "";
  return url.href;
}

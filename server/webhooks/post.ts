/** One call of a webhook: signed, bounded in time, never redirected, and only to where the rules allow. */
import { createHmac } from "node:crypto";
import http from "node:http";
import https from "node:https";
import { isIP } from "node:net";
import { type AddressRules, addressProblem, bareHost, guardedLookup } from "./address.ts";

export interface Post {
  readonly url: string;
  readonly headers: { readonly [name: string]: string };
  readonly body: string;
  readonly timeoutMs: number;
  readonly rules: AddressRules;
  /** Ends the call. */
  readonly signal: AbortSignal;
}

export type PostResult =
  | { readonly status: number }
  /** No answer, or none in time; for people to read. */
  | { readonly error: string };

/** The value of `AetherFlow-Signature`: HMAC-SHA256 of `SECONDS.BODY`, hexadecimal. */
export function signatureOf(secret: string, body: string, seconds: number): string {
  return `t=${seconds},v1=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}

/** Calls; the body of the answer is not read. */
export function post({ url, headers, body, timeoutMs, rules, signal }: Post): Promise<PostResult> {
  const target = new URL(url);
  const host = bareHost(target.hostname);
  // An address is not looked up, so it is judged here.
  const problem = isIP(host) > 0 ? addressProblem(host, rules) : undefined;
  if (problem !== undefined) return Promise.resolve({ error: problem });
  return new Promise((resolve) => {
    const request = (target.protocol === "https:" ? https : http).request(target, {
      method: "POST",
      headers: { ...headers, "content-length": String(Buffer.byteLength(body)) },
      lookup: guardedLookup(rules),
      agent: false,
    });
    // Not `AbortSignal.any`: a long-lived signal keeps an entry for each signal made of it (nodejs/node#55351).
    const cut = () => request.destroy(new Error("cut off"));
    const late = () => request.destroy(new Error(`no answer within ${timeoutMs} ms`));
    const timer = setTimeout(late, timeoutMs);
    signal.addEventListener("abort", cut, { once: true });
    request.on("response", (response) => {
      response.on("error", () => undefined);
      response.destroy();
      resolve({ status: response.statusCode ?? 0 });
    });
    request.on("error", (error) => resolve({ error: error.message }));
    request.on("close", () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", cut);
    });
    if (signal.aborted) cut();
    request.end(body);
  });
}

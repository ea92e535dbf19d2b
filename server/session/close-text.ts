import type { CloseReason } from "../room/member.ts";

/** RFC 6455, section 5.5: a control frame carries 125 bytes, two of which are the code. */
const maxBytes = 123;

/** What there is to say where the session knows nothing more. A private document is not told from an absent one. */
const explanations: { readonly [Reason in CloseReason]?: string } = {
  notFound: "there is no such document, or you may not read it",
  lostAccess: "you may not read this document any more",
};

/** The reason of a close frame: its word, and what led to it as far as there is room. */
export function closeText(reason: CloseReason, detail = explanations[reason]): string {
  if (detail === undefined) return reason;
  const bytes = Buffer.from(`${reason}: ${detail}`);
  let end = Math.min(bytes.length, maxBytes);
  // Bytes that continue a character: it is left out as a whole.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end -= 1;
  return bytes.toString("utf8", 0, end);
}

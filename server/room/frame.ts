/**
 * WebSocket text frames, made once and written to many sockets. Server frames carry no mask (RFC 6455, section 5.1),
 * so the same bytes are right for everybody; `ws` would build a header and make a system call for each socket.
 */

/** A frame of a text. */
export function encodeFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const frame = Buffer.allocUnsafe(headerLength(length) + length);
  frame.write(text, writeHeader(frame, length), "utf8");
  return frame;
}

/** A frame of UTF-8 bytes in pieces. */
export function frameOfBytes(pieces: readonly Uint8Array[]): Buffer {
  let length = 0;
  for (const piece of pieces) length += piece.length;
  const frame = Buffer.allocUnsafe(headerLength(length) + length);
  let at = writeHeader(frame, length);
  for (const piece of pieces) {
    frame.set(piece, at);
    at += piece.length;
  }
  return frame;
}

/** Where a frame's payload begins. */
export function payloadStart(frame: Buffer): number {
  const length = frame[1] ?? 0;
  return length < 126 ? 2 : length === 126 ? 4 : 10;
}

function headerLength(length: number): number {
  if (length < 126) return 2;
  return length < 65_536 ? 4 : 10;
}

/** Writes the header of a payload of `length` bytes, and returns where the payload begins. */
function writeHeader(frame: Buffer, length: number): number {
  // FIN and opcode 1 (text).
  frame[0] = 0x81;
  const header = headerLength(length);
  if (header === 2) frame[1] = length;
  else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(length, 6);
  }
  return header;
}

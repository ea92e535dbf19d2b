/**
 * A WebSocket text frame, made once and written to many sockets. Server frames carry no mask (RFC 6455, section 5.1),
 * so the same bytes are right for everybody; `ws` would build a header and make a system call for each socket.
 */
export function encodeFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length < 126 ? 2 : length < 65_536 ? 4 : 10;
  const frame = Buffer.allocUnsafe(header + length);
  // FIN and opcode 1 (text).
  frame[0] = 0x81;
  if (header === 2) frame[1] = length;
  else if (header === 4) {
    frame[1] = 126;
    frame.writeUInt16BE(length, 2);
  } else {
    frame[1] = 127;
    frame.writeUInt32BE(0, 2);
    frame.writeUInt32BE(length, 6);
  }
  frame.write(text, header, "utf8");
  return frame;
}

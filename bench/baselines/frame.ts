/** A WebSocket text frame as a server sends it (RFC 6455, section 5.1: no mask), made once for many sockets. */
export function textFrame(payload: Buffer): Buffer {
  const length = payload.length;
  const header = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  header[0] = 0x81;
  if (header.length === 2) header[1] = length;
  else if (header.length === 4) {
    header[1] = 126;
    header.writeUInt16BE(length, 2);
  } else {
    header[1] = 127;
    header.writeUInt32BE(length, 6);
  }
  return Buffer.concat([header, payload]);
}

/** The operations that the benchmark submits: about 200 bytes each, every id once. */

let run = Math.floor(Date.now() / 1000) % 0xffff_ffff;

/** Starts a new range of ids, so that no two runs of a process share one. */
export function startIds(seed: number): void {
  run = seed >>> 0;
}

/** A version-7-shaped UUID that names its run, writer and number: cheap to make, unique within a benchmark. */
export function operationId(writer: number, number: number): string {
  const time = (0x0190_0000_0000 + number).toString(16).padStart(12, "0");
  const tail = (run >>> 0).toString(16).padStart(8, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-7${(writer & 0xfff).toString(16).padStart(3, "0")}-8${((writer >>> 12) & 0xfff).toString(16).padStart(3, "0")}-0000${tail}`;
}

/** The move of an element, as JSON. */
export function operationText(writer: number, number: number, element: string): string {
  const x = (number * 7) % 1900;
  return (
    `{"id":"${operationId(writer, number)}","type":"move","element":"${element}",` +
    `"set":{"x":${x}.25,"y":${(x * 3) % 1000}.5,"width":120.75,"height":64.5,"updated":${1_795_540_049_814 + number}}}`
  );
}

/** The creation of an element, as JSON. */
export function createText(writer: number, number: number, element: string): string {
  return (
    `{"id":"${operationId(writer, number)}","type":"create","element":"${element}",` +
    `"props":{"type":"rectangle","x":0,"y":0,"width":120.75,"height":64.5,"strokeColor":"#1e1e1e","text":"note ${number}"}}`
  );
}

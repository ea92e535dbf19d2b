/**
 * A value as one step of a path. `.` and `..` are none, however they are written: URLs resolve them, and what was asked of
 * a part would be asked of the document.
 * @throws TypeError
 */
export function pathSegment(name: string, value: string): string {
  if (typeof value !== "string" || value === "" || value === "." || value === "..")
    throw new TypeError(
      `${name}: expected a non-empty text other than "." and "..", got ${JSON.stringify(value)}`,
    );
  return encodeURIComponent(value);
}

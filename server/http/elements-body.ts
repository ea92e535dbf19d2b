/**
 * The texts of `{"version":…,"elements":{…}}`, whose inside comes in parts: 64 MiB need not stand in memory twice.
 */
export async function* objectTexts(
  version: number,
  parts: Iterable<string> | AsyncIterable<string>,
): AsyncGenerator<string> {
  yield `{"version":${version},"elements":{`;
  let first = true;
  for await (const part of parts) {
    if (part === "") continue;
    yield first ? part : `,${part}`;
    first = false;
  }
  yield "}}";
}

/** A large JSON object read piece by piece: its fields, and the items of those that are arrays, one at a time. */

export interface JsonItem {
  readonly key: string;
  readonly value: unknown;
}

/**
 * Yields each top-level field; of an array its items, each under the array's key. Holds one item at a time. Throws
 * `SyntaxError` for what is no JSON object, or ends too early; what is yielded before may already have been used.
 */
export async function* jsonItems(chunks: AsyncIterable<string>): AsyncGenerator<JsonItem> {
  let key: string | undefined;
  let text = "";
  let depth = 0;
  let isInArray = false;
  let isInString = false;
  let isEscaped = false;
  let isDone = false;
  for await (const chunk of chunks) {
    let from = 0;
    const take = (at: number): string => {
      const taken = (text + chunk.slice(from, at)).trim();
      text = "";
      from = at + 1;
      return taken;
    };
    for (let at = 0; at < chunk.length; at++) {
      const character = chunk[at];
      if (isInString) {
        if (isEscaped) isEscaped = false;
        else if (character === "\\") isEscaped = true;
        else if (character === '"') isInString = false;
        continue;
      }
      const isBetweenItems = depth === 1 || (depth === 2 && isInArray);
      switch (character) {
        case '"':
          isInString = true;
          break;
        case ":":
          if (depth === 1 && key === undefined) key = JSON.parse(take(at)) as string;
          break;
        case ",":
          if (!isBetweenItems) break;
          yield* item(key, take(at));
          if (depth === 1) key = undefined;
          break;
        case "{":
        case "[":
          if (depth === 0) {
            if (isDone || character === "[" || take(at) !== "") throw new SyntaxError("not a JSON object");
          } else if (depth === 1 && character === "[" && (text + chunk.slice(from, at)).trim() === "") {
            isInArray = true;
            take(at);
          }
          depth += 1;
          break;
        case "}":
        case "]":
          if (isBetweenItems) {
            yield* item(key, take(at));
            isInArray = false;
            isDone = depth === 1;
          }
          depth -= 1;
          break;
        default:
      }
    }
    text += chunk.slice(from);
  }
  if (!isDone && depth === 0 && key === undefined)
    throw new SyntaxError(text.trim() === "" ? "is empty" : "not a JSON object");
  if (!isDone || depth !== 0 || text.trim() !== "")
    throw new SyntaxError("the JSON ends too early, or goes on after its end");
}

function* item(key: string | undefined, text: string): Generator<JsonItem> {
  if (text === "") return;
  if (key === undefined) throw new SyntaxError("a value without a key");
  yield { key, value: JSON.parse(text) };
}

/**
 * Reads a value from outside by a zod schema. Whatever is wrong is told by field and by what was expected: zod's own
 * texts ("Invalid input", "received NaN") never reach a client.
 */
import { z } from "zod";

/** What is wrong with which field; the path's names are joined by dots, "" is the value itself. */
export interface FieldProblem {
  readonly path: string;
  readonly message: string;
}

export type ShapeReading<T> =
  | { readonly ok: true; readonly value: T }
  /** One problem at least. */
  | { readonly ok: false; readonly problems: readonly FieldProblem[] };

/** Reads a value. A schema's own messages stand; {@link expectation} words the rest. */
export function readShape<T>(schema: z.ZodType<T>, value: unknown): ShapeReading<T> {
  const parsed = schema.safeParse(value, { error: expectation });
  if (parsed.success) return { ok: true, value: parsed.data };
  // Several checks of one field may say the same: a number that is too big is no exact one either.
  const problems = new Map<string, FieldProblem>();
  for (const problem of parsed.error.issues.flatMap((issue) => problemsOf(issue, []))) {
    problems.set(problemText(problem), problem);
  }
  return { ok: false, problems: [...problems.values()] };
}

/** A problem as one text. */
export function problemText({ path, message }: FieldProblem): string {
  return path === "" ? message : `${path}: ${message}`;
}

/** The path of a schema's own issue, of names joined by dots. */
export function issuePath(path: string): string[] {
  return path === "" ? [] : path.split(".");
}

type Path = readonly PropertyKey[];

function problemsOf(issue: z.core.$ZodIssue, above: Path): FieldProblem[] {
  const at = [...above, ...issue.path];
  if (issue.code === "unrecognized_keys") {
    return issue.keys.map((key) => ({
      path: joined([...at, key]),
      message: "unknown, or not to be changed",
    }));
  }
  if (issue.code === "invalid_union") {
    // A kind that fits but for something inside says more than that no kind fits.
    const inside = issue.errors.flat().filter(({ path }) => path.length > 0);
    if (inside.length > 0) return inside.flatMap((each) => problemsOf(each, at));
  }
  return [{ path: joined(at), message: issue.message }];
}

const joined = (path: Path) => path.map(String).join(".");

/** What an issue expected, where its schema does not say so itself. */
function expectation(issue: z.core.$ZodRawIssue): string {
  const { schema } = issue;
  switch (issue.code) {
    case "invalid_type": {
      const expected = schema instanceof z.ZodNumber ? numberOf(schema, false) : typeText(issue.expected);
      if (issue.input === undefined) return `is missing, expected ${expected}`;
      return `expected ${expected}${Array.isArray(issue.input) ? ", not an array" : ""}`;
    }
    case "too_small":
    case "too_big": {
      if (schema instanceof z.ZodNumber) return `expected ${numberOf(schema, issue.code === "too_big")}`;
      if (schema instanceof z.ZodString)
        return `expected ${range(schema.minLength, schema.maxLength)} characters`;
      const least = issue.code === "too_small";
      const bound = least ? issue.minimum : issue.maximum;
      const items = issue.origin === "array" ? ` ${bound === 1 ? "item" : "items"}` : "";
      return `expected at ${least ? "least" : "most"} ${bound}${items}`;
    }
    case "invalid_value":
      return `expected ${issue.values.map((value) => JSON.stringify(value)).join(" or ")}`;
    case "invalid_format":
      return issue.format === "datetime" ? timeExpected : `expected the format ${issue.format}`;
    case "not_multiple_of":
      return `expected a multiple of ${issue.divisor}`;
    case "invalid_union":
      return [...new Set(issue.errors.flat().map(({ message }) => message))].join(", or ");
    case "invalid_key":
    case "invalid_element":
    case "unrecognized_keys":
    case "custom":
      return "not acceptable here";
  }
}

/** What a time is on the wire, for people. */
export const timeExpected = "expected RFC 3339, such as 2026-01-31T12:00:00Z";

const typeTexts: { readonly [type: string]: string } = {
  string: "a string",
  boolean: "true or false",
  array: "an array",
  object: "an object",
  record: "an object",
  null: "null",
};

const typeText = (type: string) => typeTexts[type] ?? type;

/** `a whole number from 1 to 200`. The bounds of what is exact go without saying, until they are broken. */
function numberOf(schema: z.ZodNumber, tooBig: boolean): string {
  const noun = schema.isInt ? "a whole number" : "a number";
  const min = schema.minValue ?? Number.NEGATIVE_INFINITY;
  const max = schema.maxValue ?? Number.POSITIVE_INFINITY;
  const lowest = min > Number.MIN_SAFE_INTEGER ? min : undefined;
  const highest = max < Number.MAX_SAFE_INTEGER || (tooBig && Number.isFinite(max)) ? max : undefined;
  if (lowest !== undefined && highest !== undefined) return `${noun} from ${lowest} to ${highest}`;
  if (lowest !== undefined) return `${noun} of at least ${lowest}`;
  return highest === undefined ? noun : `${noun} of at most ${highest}`;
}

function range(least: number | null, most: number | null): string {
  if (least !== null && most !== null) return `${least} to ${most}`;
  return least === null ? `at most ${most}` : `at least ${least}`;
}

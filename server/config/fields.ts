/**
 * The leaves that the configuration schema is made of. Every leaf also takes text, so that one value reads alike
 * in YAML, in an environment variable and in a flag. `allows` tells people, in docs/configuration.md, what the check takes.
 */
import { z } from "zod";

const units = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** Milliseconds of `250ms`, `30s`, `5m`, `1h`, `90d`; undefined when the text is no duration. */
export function parseDuration(text: string): number | undefined {
  const match = /^(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)$/.exec(text.trim());
  if (match === null) return undefined;
  return Math.round(Number(match[1]) * units[match[2] as keyof typeof units]);
}

/** The shortest text that `parseDuration` reads back as the same time. */
export function formatDuration(ms: number): string {
  for (const unit of ["d", "h", "m", "s"] as const) {
    if (ms > 0 && ms % units[unit] === 0) return `${ms / units[unit]}${unit}`;
  }
  return `${ms}ms`;
}

const trimmed = (value: unknown) => (typeof value === "string" ? value.trim() : value);

function numberFromText(value: unknown): unknown {
  const text = trimmed(value);
  return typeof text === "string" && /^-?\d+$/.test(text) ? Number(text) : text;
}

function booleanFromText(value: unknown): unknown {
  const text = trimmed(value);
  if (typeof text !== "string") return text;
  if (["true", "yes", "on", "1"].includes(text.toLowerCase())) return true;
  if (["false", "no", "off", "0"].includes(text.toLowerCase())) return false;
  return text;
}

/** A whole number within bounds. */
export function integer(initial: number, min: number, max: number, says: string) {
  const expected = `expected a whole number from ${min} to ${max}`;
  return z
    .preprocess(numberFromText, z.int(expected).min(min, expected).max(max, expected))
    .default(initial)
    .meta({ description: says, allows: `${min} – ${max}` });
}

/** A bound that 0 switches off. */
export function limit(initial: number, says: string) {
  const expected = "expected a whole number, 0 for no limit";
  return z
    .preprocess(numberFromText, z.int(expected).min(0, expected))
    .default(initial)
    .meta({ description: says, allows: "0 –" });
}

/** A time, `30s` or a number of milliseconds; milliseconds inside. */
export function duration(initial: string, min: string, max: string, says: string) {
  const bounds = [parseDuration(min) ?? 0, parseDuration(max) ?? 0] as const;
  const expected = `expected a duration such as 30s, 5m or 250ms, from ${min} to ${max}`;
  return z
    .preprocess(
      (value) => {
        const text = numberFromText(value);
        return typeof text === "string" ? (parseDuration(text) ?? text) : text;
      },
      z.number(expected).min(bounds[0], expected).max(bounds[1], expected),
    )
    .default(parseDuration(initial) ?? 0)
    .meta({ description: says, kind: "duration", allows: `${min} – ${max}` });
}

/** A switch. */
export function flag(initial: boolean, says: string) {
  return z
    .preprocess(booleanFromText, z.boolean("expected true or false"))
    .default(initial)
    .meta({ description: says, allows: "`true`, `false`" });
}

/** One of a few words. */
export function choice<const T extends readonly [string, ...string[]]>(options: T, says: string) {
  return z
    .preprocess(trimmed, z.enum(options, `expected one of ${options.join(", ")}`))
    .meta({ description: says, allows: options.map((option) => `\`${option}\``).join(", ") });
}

/** Text that is not empty. */
export function text(says: string) {
  return z
    .preprocess(trimmed, z.string("expected text").min(1, "must not be empty"))
    .meta({ description: says });
}

/** Several texts; one text is split at commas. */
export function list<T extends z.ZodType<string>>(item: T, says: string) {
  return z
    .preprocess(
      (value) =>
        typeof value === "string"
          ? value
              .split(",")
              .map((part) => part.trim())
              .filter(Boolean)
          : value,
      z.array(item, "expected a list"),
    )
    .default([])
    .meta({ description: says });
}

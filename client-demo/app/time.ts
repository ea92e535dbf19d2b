const spans = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
] as const;

/** How long ago a time was, in words. */
export function ago(at: string, nowMs = Date.now()): string {
  const format = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  const passedMs = nowMs - Date.parse(at);
  for (const [unit, lengthMs] of spans) {
    if (passedMs >= lengthMs) return format.format(-Math.floor(passedMs / lengthMs), unit);
  }
  return "just now";
}

/** A time to the second: versions of one minute are told apart. */
export function exactTime(at: string): string {
  return new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "medium" }).format(new Date(at));
}

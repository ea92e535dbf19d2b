/** The signals that end a process ordinarily: Ctrl-C, a supervisor, a terminal that is closed. */
export const endingSignals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
export type EndingSignal = (typeof endingSignals)[number];

/** One Ctrl-C arrives twice under npm, which passes on what the terminal sends to both; and so does a terminal's end. */
const sameRequestMs = 1_000;

/** Calls `asked` at the first signal, and `insisted` when somebody asks again. Returns what removes the listeners. */
export function onEndingSignal(asked: (signal: EndingSignal) => void, insisted: () => void): () => void {
  let askedAtMs: number | undefined;
  const hear = (signal: NodeJS.Signals) => {
    if (askedAtMs === undefined) {
      askedAtMs = performance.now();
      asked(signal as EndingSignal);
    } else if (performance.now() - askedAtMs > sameRequestMs) insisted();
  };
  for (const signal of endingSignals) process.on(signal, hear);
  return () => {
    for (const signal of endingSignals) process.off(signal, hear);
  };
}

/** Short notices, shown for some seconds and said to those who do not see them. */
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";

interface Notice {
  /** Of one topic, the newest notice alone is shown. */
  readonly topic: string;
  readonly text: string;
  readonly tone: "info" | "warning";
  readonly action?: { readonly label: string; run(): void };
}

export interface Notices {
  /** @param options `topic`: what it is about, where later notices say what has become of that; default: the text. */
  show(
    text: string,
    options?: { tone?: Notice["tone"]; action?: Notice["action"]; topic?: "lock" | "connection" | "history" },
  ): void;
}

const shownForMs = 7_000;
const mostAtOnce = 2;
const Context = createContext<Notices>({ show: () => {} });

export const useNotices = (): Notices => useContext(Context);

export function NoticesProvider({ children }: { readonly children: ReactNode }) {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const timers = useRef(new Map<string, ReturnType<typeof setTimeout>>());
  const remove = useCallback((topic: string) => {
    clearTimeout(timers.current.get(topic));
    setNotices((all) => all.filter((one) => one.topic !== topic));
  }, []);
  const show = useCallback<Notices["show"]>(
    (text, { tone = "info", action, topic = text } = {}) => {
      setNotices((all) =>
        // The same again only stays longer.
        action === undefined && all.some((one) => one.topic === topic && one.text === text)
          ? all
          : [
              ...all.filter((one) => one.topic !== topic).slice(1 - mostAtOnce),
              { topic, text, tone, ...(action && { action }) },
            ],
      );
      clearTimeout(timers.current.get(topic));
      timers.current.set(
        topic,
        setTimeout(() => remove(topic), shownForMs),
      );
    },
    [remove],
  );
  const value = useMemo<Notices>(() => ({ show }), [show]);
  return (
    <Context.Provider value={value}>
      {children}
      <div className="notices" role="status">
        {notices.map(({ topic, text, tone, action }) => (
          <div key={topic} className="notice" data-tone={tone}>
            <span>{text}</span>
            {action !== undefined && (
              <button
                type="button"
                onClick={() => {
                  action.run();
                  remove(topic);
                }}
              >
                {action.label}
              </button>
            )}
            <button type="button" className="icon" aria-label="Dismiss" onClick={() => remove(topic)}>
              ×
            </button>
          </div>
        ))}
      </div>
    </Context.Provider>
  );
}

/** A message for what went wrong. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

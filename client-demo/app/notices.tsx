/** Short notices, shown for some seconds and said to those who do not see them. */
import { createContext, type ReactNode, useCallback, useContext, useMemo, useRef, useState } from "react";

interface Notice {
  readonly id: number;
  readonly text: string;
  readonly tone: "info" | "warning";
  readonly action?: { readonly label: string; run(): void };
}

export interface Notices {
  show(text: string, options?: { tone?: Notice["tone"]; action?: Notice["action"] }): void;
}

const shownForMs = 7_000;
const mostAtOnce = 3;
const Context = createContext<Notices>({ show: () => {} });

export const useNotices = (): Notices => useContext(Context);

export function NoticesProvider({ children }: { readonly children: ReactNode }) {
  const [notices, setNotices] = useState<readonly Notice[]>([]);
  const next = useRef(0);
  const remove = useCallback((id: number) => setNotices((all) => all.filter((one) => one.id !== id)), []);
  const show = useCallback<Notices["show"]>(
    (text, { tone = "info", action } = {}) => {
      const id = next.current++;
      // The same again only stays longer.
      setNotices((all) => [
        ...all.filter((one) => one.text !== text).slice(1 - mostAtOnce),
        { id, text, tone, ...(action && { action }) },
      ]);
      setTimeout(() => remove(id), shownForMs);
    },
    [remove],
  );
  const value = useMemo<Notices>(() => ({ show }), [show]);
  return (
    <Context.Provider value={value}>
      {children}
      <div className="notices" role="status">
        {notices.map(({ id, text, tone, action }) => (
          <div key={id} className="notice" data-tone={tone}>
            <span>{text}</span>
            {action !== undefined && (
              <button
                type="button"
                onClick={() => {
                  action.run();
                  remove(id);
                }}
              >
                {action.label}
              </button>
            )}
            <button type="button" className="icon" aria-label="Dismiss" onClick={() => remove(id)}>
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

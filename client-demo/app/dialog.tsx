import { type ReactNode, useEffect, useId, useRef } from "react";

/** A dialog over the page: the browser keeps the focus in it and closes it with Escape. */
export function Dialog(props: { readonly title: string; readonly children: ReactNode; onClose(): void }) {
  const element = useRef<HTMLDialogElement>(null);
  const heading = useId();
  useEffect(() => {
    if (element.current?.open === false) element.current.showModal();
  }, []);
  return (
    <dialog
      ref={element}
      className="dialog"
      aria-labelledby={heading}
      onClose={props.onClose}
      // The editor listens to keys everywhere; what is typed here is not for it.
      onKeyDown={(event) => event.stopPropagation()}
    >
      <header>
        <h2 id={heading}>{props.title}</h2>
        <button type="button" className="icon" aria-label="Close" onClick={() => element.current?.close()}>
          ×
        </button>
      </header>
      {props.children}
    </dialog>
  );
}

import { useId, useState } from "react";
import { Dialog } from "../app/dialog.tsx";

/** Asks for a person's name. */
export function NameDialog(props: { readonly name: string; onName(name: string): void; onClose(): void }) {
  const [name, setName] = useState(props.name);
  const field = useId();
  return (
    <Dialog title="Your name" onClose={props.onClose}>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          if (name.trim() !== "") props.onName(name.trim());
          props.onClose();
        }}
      >
        <label htmlFor={field}>Others see it beside your pointer</label>
        <p className="row">
          <input
            id={field}
            maxLength={40}
            autoComplete="nickname"
            spellCheck={false}
            value={name}
            onChange={(event) => setName(event.target.value)}
          />
          <button type="submit" className="primary">
            Save
          </button>
        </p>
      </form>
    </Dialog>
  );
}

import { useId, useState } from "react";

/** What is shown instead of a page that cannot be. */
export function Problem({ title, text }: { readonly title: string; readonly text: string }) {
  return (
    <main className="alone" role="alert">
      <h1>{title}</h1>
      <p>{text}</p>
      <p className="row">
        <button type="button" className="primary" onClick={() => location.reload()}>
          Try again
        </button>
        <a href="/">All boards</a>
      </p>
    </main>
  );
}

/** Where tokens are issued by somebody else, people bring theirs. */
export function TokenForm(props: { readonly text: string; onToken(token: string): void }) {
  const [token, setToken] = useState("");
  const field = useId();
  return (
    <main className="alone">
      <form
        id="token-form"
        onSubmit={(event) => {
          event.preventDefault();
          props.onToken(token.trim());
        }}
      >
        <h1>A token is needed</h1>
        <p>
          {props.text} Ask whoever runs it for one (a JWT), and paste it here; who runs it gets one by{" "}
          <code>npx aetherflow token --user you</code>. It is forgotten when this tab is closed.
        </p>
        <label htmlFor={field}>Access token</label>
        <input
          id={field}
          type="password"
          autoComplete="off"
          required
          // biome-ignore lint/a11y/noAutofocus: the only thing to do here.
          autoFocus
          value={token}
          onChange={(event) => setToken(event.target.value)}
        />
        <button type="submit" className="primary">
          Go on
        </button>
      </form>
    </main>
  );
}

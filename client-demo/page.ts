/** The element with that id, which the page is known to have. */
export function byId<Kind extends HTMLElement>(id: string, kind: new () => Kind): Kind {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no ${kind.name} #${id}`);
  return element;
}

/** Says something to people who do not see the board. */
export function announce(text: string): void {
  byId("announcer", HTMLElement).textContent = text;
}

const shownForMs = 7_000;
const mostToasts = 3;

/** Shows a notice for some seconds, and says it. The same notice again only stays longer. */
export function toast(text: string, tone: "info" | "warning" = "info"): void {
  const list = byId("toasts", HTMLElement);
  for (const old of [...list.children]) if (old.textContent === text) old.remove();
  const note = document.createElement("div");
  note.className = "toast";
  note.dataset.tone = tone;
  note.textContent = text;
  list.append(note);
  while (list.children.length > mostToasts) list.firstElementChild?.remove();
  setTimeout(() => note.remove(), shownForMs);
}

/** A message for what went wrong. */
export function messageOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /[.!?]$/.test(text) ? text : `${text}.`;
}

/** Waits until a token is pasted. */
export function askForToken(text: string): Promise<string> {
  const form = byId("token-form", HTMLFormElement);
  const field = byId("token", HTMLInputElement);
  byId("token-text", HTMLElement).textContent = text;
  form.hidden = false;
  field.value = "";
  field.focus();
  return new Promise((resolve) => {
    const pasted = (event: Event): void => {
      event.preventDefault();
      form.hidden = true;
      form.removeEventListener("submit", pasted);
      resolve(field.value.trim());
    };
    form.addEventListener("submit", pasted);
  });
}

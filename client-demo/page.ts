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

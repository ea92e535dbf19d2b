/** The focus goes to the whiteboard, as the next key does: what had it is not there any more. */
export function focusBoard(): void {
  document.querySelector<HTMLElement>(".excalidraw-container")?.focus({ preventScroll: true });
}

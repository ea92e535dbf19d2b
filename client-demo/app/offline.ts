/** Lets the page open again without a network (`public/sw.js`). Only where the browser allows it: a secure context. */
export function keepPage(): void {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker
    .register("/sw.js")
    .then(() => navigator.serviceWorker.ready)
    .then(({ active }) => active?.postMessage(loadedPaths()))
    .catch(() => {}); // Without it the page works as well, while there is a server.
}

function loadedPaths(): string[] {
  const loaded = performance
    .getEntriesByType("resource")
    .map(({ name }) => new URL(name))
    .filter(({ origin, pathname }) => origin === location.origin && pathname.startsWith("/assets/"))
    .map(({ pathname }) => pathname);
  return ["/", ...new Set(loaded)];
}

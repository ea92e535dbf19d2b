/** Lets the page open again without a network (`public/sw.js`). Only where the browser allows it: a secure context. */
export function keepPage(): void {
  if (!("serviceWorker" in navigator)) return;
  navigator.serviceWorker
    .register("/sw.js")
    .then(() => navigator.serviceWorker.ready)
    .then(({ active }) => {
      active?.postMessage(["/"]);
      // What was loaded before the worker was there, and what is still on its way.
      const watch = new PerformanceObserver((list) => active?.postMessage(assetsOf(list.getEntries())));
      watch.observe({ type: "resource", buffered: true });
    })
    .catch(() => {}); // Without it the page works as well, while there is a server.
}

function assetsOf(entries: readonly PerformanceEntry[]): string[] {
  return entries
    .map(({ name }) => new URL(name))
    .filter(({ origin, pathname }) => origin === location.origin && pathname.startsWith("/assets/"))
    .map(({ pathname }) => pathname);
}

// Keeps the page itself, so that a board opens again without a network: what is drawn meanwhile is kept by the SDK.
// Files under /assets/ carry their content's hash in the name: what was fetched once is right for ever.
const shell = "aetherflow-shell";
// Answers vary by the origin that asks; here it is always this one.
const anyOrigin = { ignoreVary: true };

self.addEventListener("install", () => self.skipWaiting());
self.addEventListener("activate", (event) => event.waitUntil(self.clients.claim()));

// A page that was loaded before this worker was there names what it has loaded.
self.addEventListener("message", (event) => {
  const paths = Array.isArray(event.data) ? event.data.filter((path) => typeof path === "string") : [];
  event.waitUntil(
    caches.open(shell).then((cache) => Promise.allSettled(paths.map((path) => keep(cache, path)))),
  );
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== "GET" || origin !== self.location.origin) return;
  if (pathname.startsWith("/assets/")) event.respondWith(fromCache(request));
  else if (request.mode === "navigate" && pathname === "/") event.respondWith(fromServer(request));
});

async function fromCache(request) {
  const cache = await caches.open(shell);
  const kept = await cache.match(request, anyOrigin);
  if (kept !== undefined) return kept;
  const response = await fetch(request);
  if (response.ok) await cache.put(request, response.clone());
  return response;
}

async function fromServer(request) {
  const cache = await caches.open(shell);
  try {
    const response = await fetch(request);
    if (response.ok) await cache.put("/", response.clone());
    return response;
  } catch (error) {
    const kept = await cache.match("/", anyOrigin);
    if (kept !== undefined) return kept;
    throw error;
  }
}

async function keep(cache, path) {
  if (path === "/" || (await cache.match(path, anyOrigin)) === undefined) await cache.add(path);
}

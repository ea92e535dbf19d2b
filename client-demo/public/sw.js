// Keeps the page itself, so that a board opens again without a network: what is drawn meanwhile is kept by the SDK.
// Files under /assets/ carry their content's hash in the name: what was fetched once is right for ever.
const shell = "aetherflow-shell";
// Answers vary by the origin that asks; here it is always this one.
const anyOrigin = { ignoreVary: true };
// A server that hangs is none.
const patienceMs = 3_000;

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
  const kept = await cache.match("/", anyOrigin);
  if (kept === undefined) return keepAnswer(cache, await fetch(request));
  let response;
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), patienceMs);
  try {
    response = await fetch(request, { signal: patience.signal });
  } catch {
    return kept;
  } finally {
    clearTimeout(timer);
  }
  // A proxy with no server behind it answers, too.
  return response.status >= 500 ? kept : keepAnswer(cache, response, await kept.text());
}

async function keepAnswer(cache, response, before) {
  if (!response.ok) return response;
  const text = await response.clone().text();
  if (before !== undefined && before !== text) await forgetOthers(cache, text);
  await cache.put("/", response.clone());
  return response;
}

// A new version of the page: it names what it begins with, and fetches the rest anew (the browser's own cache has what
// stayed the same). Files of earlier versions would only take up room.
async function forgetOthers(cache, text) {
  for (const request of await cache.keys()) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/assets/") && !text.includes(pathname)) await cache.delete(request, anyOrigin);
  }
}

async function keep(cache, path) {
  if (path === "/" || (await cache.match(path, anyOrigin)) === undefined) await cache.add(path);
}

/** The page opens from here while the server is away, and says so itself. `vite.config.ts` fills in the build. */

import { cacheName, cachePrefix, isAway, planFor } from "./plan";

declare const __BUILD__: string;
declare const __SHELL__: string[];

/** As far as this needs it: the DOM's types leave service workers out. */
interface Waiting extends Event {
  waitUntil(work: Promise<unknown>): void;
}
interface Fetching extends Waiting {
  readonly request: Request;
  respondWith(answer: Promise<Response>): void;
}
interface Worker {
  readonly registration: { readonly scope: string };
  addEventListener(type: "install" | "activate", listener: (event: Waiting) => void): void;
  addEventListener(type: "fetch", listener: (event: Fetching) => void): void;
}
const worker = globalThis as unknown as Worker;
const { scope } = worker.registration;
const NAME = cacheName(scope, __BUILD__);

worker.addEventListener("install", (event) => event.waitUntil(keepShell()));
worker.addEventListener("activate", (event) => event.waitUntil(dropOld()));
worker.addEventListener("fetch", (event) => {
  const { request } = event;
  const plan = planFor(request, scope);
  if (plan === "page") event.respondWith(page(request));
  if (plan === "asset") event.respondWith(asset(request));
});

/** All that the page needs to be seen, past the browser's own cache, which may hold the page of another build. */
async function keepShell(): Promise<void> {
  const cache = await caches.open(NAME);
  await cache.addAll(__SHELL__.map((path) => new Request(new URL(path, scope), { cache: "no-cache" })));
}

async function dropOld(): Promise<void> {
  const prefix = cachePrefix(scope);
  const names = await caches.keys();
  await Promise.all(
    names.filter((name) => name.startsWith(prefix) && name !== NAME).map((name) => caches.delete(name)),
  );
}

/** From the network, so that a new build shows at once. What is kept of this one belongs together: it stays as it is. */
async function page(request: Request): Promise<Response> {
  try {
    const answer = await fetch(request);
    if (!isAway(answer.status)) return answer;
    return (await kept()) ?? answer;
  } catch (reason) {
    const shell = await kept();
    if (shell) return shell;
    throw reason;
  }
}

function kept(): Promise<Response | undefined> {
  return caches.match(new URL("./", scope), { cacheName: NAME });
}

async function asset(request: Request): Promise<Response> {
  const cache = await caches.open(NAME);
  const known = await cache.match(request, { ignoreSearch: true });
  if (known) return known;
  const answer = await fetch(request);
  if (answer.status === 200) await cache.put(request, answer.clone());
  return answer;
}

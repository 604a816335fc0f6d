/** What the service worker does with a request. No I/O. */

/**
 * "page": from the network; the kept one where the server is away. "asset": its name has a hash of its contents, so the
 * kept one is right. "leave": none of its business.
 */
export type Plan = "page" | "asset" | "leave";

export interface Asked {
  method: string;
  /** Of a Request: "navigate" where a page is opened. */
  mode: string;
  url: string;
}

/** `scope`: the address of the page's folder, with a slash at its end. The protocol's and the operator's are left. */
export function planFor({ method, mode, url }: Asked, scope: string): Plan {
  const { origin, pathname } = new URL(url);
  const home = new URL(scope);
  if (method !== "GET" || origin !== home.origin || !pathname.startsWith(home.pathname)) return "leave";
  const path = pathname.slice(home.pathname.length);
  if (mode === "navigate") return path === "" || path === "index.html" ? "page" : "leave";
  return path.startsWith("assets/") || path.startsWith("icons/") ? "asset" : "leave";
}

/** A reverse proxy says so of a server that is away. */
export function isAway(status: number): boolean {
  return status === 502 || status === 503 || status === 504;
}

/** Of this build and this folder: other applications of the same origin keep what is theirs. */
export function cacheName(scope: string, build: string): string {
  return `${cachePrefix(scope)}${build}`;
}

export function cachePrefix(scope: string): string {
  return `duologue ${scope} `;
}

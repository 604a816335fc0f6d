/**
 * The key of a server that asks for one comes in the page's own address, as `#key=...`: a fragment is not
 * sent over the network. It is kept for this tab only, and taken out of the address bar.
 */

const NAME = "duologue-key";

export function takeKey(): string | null {
  const given = new URLSearchParams(location.hash.slice(1)).get("key");
  if (given === null) return sessionStorage.getItem(NAME);
  sessionStorage.setItem(NAME, given);
  history.replaceState(null, "", location.pathname + location.search);
  return given;
}

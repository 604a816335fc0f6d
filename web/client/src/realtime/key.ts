/**
 * The key of a server that asks for one: typed into the page, or given in its address as `#key=...` (a fragment
 * is not sent over the network, and is taken out of the address bar). It is kept for this tab only.
 */

const NAME = "duologue-key";

export class KeyRing {
  #key: string | null;

  constructor() {
    const given = new URLSearchParams(location.hash.slice(1)).get("key");
    this.#key = given ?? stored();
    if (given === null) return;
    this.keep(given);
    history.replaceState(null, "", location.pathname + location.search);
  }

  get key(): string | null {
    return this.#key;
  }

  keep(key: string): void {
    this.#key = key;
    store((storage) => storage.setItem(NAME, key));
  }

  forget(): void {
    this.#key = null;
    store((storage) => storage.removeItem(NAME));
  }
}

function stored(): string | null {
  let key: string | null = null;
  store((storage) => {
    key = storage.getItem(NAME);
  });
  return key;
}

/** Where the browser stores nothing, the key lasts as long as the page. */
function store(act: (storage: Storage) => void): void {
  try {
    act(sessionStorage);
  } catch {}
}

/**
 * Whether a browser can send this key. Header values are limited to visible ASCII here; a WebSocket carries it
 * in a subprotocol's name, an HTTP token, so some signs go over WebRTC alone.
 */
export function fits(key: string, where: "header" | "subprotocol"): boolean {
  return (where === "header" ? /^[\x21-\x7e]+$/ : /^[\w!#$%&'*+.^`|~-]+$/).test(key);
}

export function bearer(key: string | null): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

/** Makes the page installable: registers its service worker, where the browser lets it have one. */

export function registerWorker(base: string): void {
  if (!import.meta.env.PROD || !globalThis.isSecureContext || !("serviceWorker" in navigator)) return;
  const register = () =>
    navigator.serviceWorker.register(new URL("sw.js", base)).catch(() => {
      // A certificate of the server's own making, say: the page then opens only while the server is there.
    });
  // After the page itself: it must not wait.
  if (document.readyState === "complete") void register();
  else addEventListener("load", () => void register(), { once: true });
}

/** Whether a server answers at `base`. */
export async function isThere(base: string): Promise<boolean> {
  try {
    const { status } = await fetch(new URL("healthz", base), {
      cache: "no-store",
      signal: AbortSignal.timeout(5000),
    });
    return status < 500;
  } catch {
    return false;
  }
}

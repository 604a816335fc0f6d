/**
 * Waits as long as it is told in a tab that nobody looks at, too: there the page's own timers come once a minute, and
 * the place in the line would be given to somebody else.
 */

const wakers = new Map<number, () => void>();
let worker: Worker | null = null;
let count = 0;
let isBroken = false;

/** Fetches what `sleep` needs, while there is a server to fetch it from. */
export function prepareSleep(): void {
  if (worker || isBroken) return;
  worker = new Worker(new URL("./sleep.worker.ts", import.meta.url), { type: "module" });
  worker.onmessage = ({ data }: MessageEvent<number>) => wake(data);
  worker.onerror = () => {
    // Late is better than never: it could not be fetched.
    isBroken = true;
    for (const id of wakers.keys()) wake(id);
  };
}

/** May be over too early, but never waits for what does not come. */
export function sleep(ms: number): Promise<void> {
  prepareSleep();
  return new Promise((resolve) => {
    if (isBroken) {
      setTimeout(resolve, ms);
      return;
    }
    count += 1;
    wakers.set(count, resolve);
    worker?.postMessage({ id: count, ms });
  });
}

function wake(id: number): void {
  wakers.get(id)?.();
  wakers.delete(id);
}

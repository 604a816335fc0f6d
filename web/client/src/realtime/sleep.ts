/**
 * Waits as long as it is told in a tab that nobody looks at, too: there the page's own timers come once a minute, and
 * the place in the line would be given to somebody else.
 */
export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    const worker = new Worker(new URL("./sleep.worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = () => {
      worker.terminate();
      resolve();
    };
    worker.postMessage(ms);
  });
}

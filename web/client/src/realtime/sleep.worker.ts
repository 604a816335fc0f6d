/** A timer of its own. */

addEventListener("message", ({ data }: MessageEvent<number>) => {
  setTimeout(() => postMessage(null), data);
});

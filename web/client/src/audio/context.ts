/** Keeps an audio context running, and says when it cannot. */

import type { Close } from "./tap";

// A device that is changed, or a page that comes back, takes a few 100 ms; a silence of a second is noticed.
const STILL_MS = 1000;
// Where the browser wants a gesture first, any will do.
const GESTURES = ["pointerup", "keydown"] as const;

/**
 * A browser may stop a context: until the page was touched, while the phone rings ("interrupted", on iOS), when it
 * has no device to play on. This starts it again as soon as it may. `tell(true)`: it has been still for a second;
 * `tell(false)`: it runs again.
 */
export function keepRunning(context: AudioContext, tell: (isSilent: boolean) => void): Close {
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isSilent = false;
  const say = (silent: boolean) => {
    if (silent === isSilent) return;
    isSilent = silent;
    tell(silent);
  };
  const follow = () => {
    clearTimeout(timer);
    if (context.state === "closed") return;
    if (context.state === "running") return say(false);
    timer = setTimeout(() => say(true), STILL_MS);
    // It rejects, or never resolves, as long as it may not.
    void context.resume().catch(() => {});
  };
  const wake = () => context.state !== "running" && follow();
  context.addEventListener("statechange", follow);
  document.addEventListener("visibilitychange", wake);
  for (const gesture of GESTURES) document.addEventListener(gesture, wake, true);
  follow();
  return () => {
    clearTimeout(timer);
    context.removeEventListener("statechange", follow);
    document.removeEventListener("visibilitychange", wake);
    for (const gesture of GESTURES) document.removeEventListener(gesture, wake, true);
  };
}

/** The talk by keyboard: M mutes, Escape closes and ends, and with push-to-talk the space bar is held. */

import type { Talk } from "duologue-client";
import { useEffect } from "preact/hooks";
import { isUnderWay } from "./words";

/** `close`: what Escape closes before it ends the talk; null where nothing is open. */
export function useKeys(talk: Talk, close: (() => void) | null): void {
  useEffect(() => {
    const stop = new AbortController();
    const options = { signal: stop.signal };
    addEventListener("keydown", (event) => press(event, talk, close), options);
    addEventListener("keyup", (event) => event.key === " " && letGo(talk), options);
    // A key let go in another window is never heard of here.
    addEventListener("blur", () => letGo(talk), options);
    return () => stop.abort();
  }, [talk, close]);
}

function press(event: KeyboardEvent, talk: Talk, close: (() => void) | null): void {
  if (event.isComposing || event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape") {
    if (close) close();
    else if (isUnderWay(talk.state)) talk.end();
    return;
  }
  const { link, hasMicrophone, isMuted, isPushToTalk } = talk.state;
  if (link !== "open" || !hasMicrophone || event.repeat) {
    if (event.key === " " && isPushToTalk && !isTaken(event)) event.preventDefault();
    return;
  }
  if (isTaken(event)) return;
  if (event.key.toLowerCase() === "m" && !isPushToTalk) talk.setMuted(!isMuted);
  if (event.key === " " && isPushToTalk) {
    event.preventDefault();
    talk.hold(true);
  }
}

function letGo(talk: Talk): void {
  const { isPushToTalk, isMuted } = talk.state;
  if (isPushToTalk && !isMuted) talk.hold(false);
}

const WRITES = "input:not([type=checkbox], [type=radio], [type=range]), textarea, select, [contenteditable]";
const PRESSES = `${WRITES}, button, a, summary, input, [role=button], [role=tab], [role=option]`;

/** Whether the key means something to what has the focus. */
function isTaken(event: KeyboardEvent): boolean {
  const { target } = event;
  return target instanceof Element && target.closest(event.key === " " ? PRESSES : WRITES) !== null;
}

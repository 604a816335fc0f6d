/** A phone's way back closes what lies over the page, before it leaves the page. */

import { useEffect } from "preact/hooks";

const MARK = "duologue-sheet";
// Nobody closes a sheet, opens another and goes back within this: a step back so soon is still our own.
const OWN_STEP_MS = 300;
let steppedAtMs = Number.NEGATIVE_INFINITY;

/** While `isOver`, there is an entry of ours on top of the browser's history. */
export function useBack(isOver: boolean, close: () => void): void {
  useEffect(() => {
    if (!isOver) {
      // Left over from before a reload: what it stood for is closed.
      if (isMarked() && !isStepping()) stepBack();
      return;
    }
    if (!isMarked() || isStepping()) history.pushState({ [MARK]: true }, "");
    const note = () => {
      if (!isStepping()) close();
    };
    addEventListener("popstate", note);
    return () => {
      removeEventListener("popstate", note);
      if (isMarked()) stepBack();
    };
  }, [isOver, close]);
}

function isMarked(): boolean {
  return Object(history.state)[MARK] === true;
}

function isStepping(): boolean {
  return performance.now() - steppedAtMs < OWN_STEP_MS;
}

function stepBack(): void {
  steppedAtMs = performance.now();
  history.back();
}

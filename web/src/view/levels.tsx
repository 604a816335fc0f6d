/** Moves the meters and the shape with the sound, without rendering anything anew. */

import type { Conversation } from "duologue-client";
import type { RefObject } from "preact";
import { useEffect } from "preact/hooks";

export function useLevels(
  target: RefObject<HTMLElement | null>,
  { levels }: Conversation,
  isOn: boolean,
): void {
  useEffect(() => {
    if (!isOn) return;
    let frame = 0;
    let beforeMs = performance.now();
    const draw = (nowMs: number) => {
      const elapsed_s = Math.max(0, nowMs - beforeMs) / 1000;
      beforeMs = nowMs;
      target.current?.style.setProperty("--user-level", levels.user.step(elapsed_s).toFixed(3));
      target.current?.style.setProperty("--assistant-level", levels.assistant.step(elapsed_s).toFixed(3));
      frame = requestAnimationFrame(draw);
    };
    frame = requestAnimationFrame(draw);
    return () => cancelAnimationFrame(frame);
  }, [target, levels, isOn]);
}

export function Meters({ hasMicrophone }: { hasMicrophone: boolean }) {
  return (
    <div class="meters" aria-hidden="true">
      {hasMicrophone && <Meter name="You" kind="user" />}
      <Meter name="Duologue" kind="assistant" />
    </div>
  );
}

function Meter({ name, kind }: { name: string; kind: string }) {
  return (
    <div class={`meter ${kind}`}>
      <span>{name}</span>
      <div class="track">
        <div class="fill" />
      </div>
    </div>
  );
}

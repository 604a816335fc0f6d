/** How stages are drawn: solid where somebody waited, hatched where they were made ahead. */

import { STAGES, type Stage, type StageName } from "duologue-client";
import { TARGET_VOICE_MS, TARGET_WORDS_MS } from "./figures";

const hatchOf = (name: StageName) => `timing-hatch-${name}`;

/** Once in the panel, for all of its pictures. */
export function Hatches() {
  return (
    <svg class="timing-hatches" width="0" height="0" aria-hidden="true">
      <defs>
        {STAGES.map((name) => (
          <pattern
            key={name}
            id={hatchOf(name)}
            width="5"
            height="5"
            patternUnits="userSpaceOnUse"
            patternTransform="rotate(45)"
          >
            <rect class={`stage-${name} thin`} width="5" height="5" />
            <rect class={`stage-${name}`} width="2" height="5" />
          </pattern>
        ))}
      </defs>
    </svg>
  );
}

export function Swatch({ name, isHatched = false }: { name: StageName; isHatched?: boolean }) {
  return (
    <svg class="timing-swatch" width="12" height="12" aria-hidden="true">
      {isHatched ? (
        <rect width="12" height="12" rx="2" fill={`url(#${hatchOf(name)})`} />
      ) : (
        <rect class={`stage-${name}`} width="12" height="12" rx="2" />
      )}
    </svg>
  );
}

/** On top of a column: the rest was not measured. */
export function OpenEnd({ x, y, width }: { x: string; y: number; width: string }) {
  return <rect class="open-end" x={x} y={y + 1} width={width} height="6" />;
}

// What took next to no time is seen, too.
const LEAST_PERCENT = 0.6;

/** A stage in its row: what was waited for solid, and under it in a thin lane of its own what was made ahead. */
export function StageBar({ stage, topMs }: { stage: Stage; topMs: number }) {
  const { name, fromMs, toMs, waitedMs } = stage;
  const at = (ms: number) => `${(100 * ms) / topMs}%`;
  const wide = (ms: number) => `${Math.max(LEAST_PERCENT, (100 * ms) / topMs)}%`;
  const aheadMs = toMs - fromMs - waitedMs;
  return (
    <>
      {(waitedMs > 0 || aheadMs === 0) && (
        <rect
          class={`stage-${name}`}
          x={at(toMs - waitedMs)}
          y="7"
          width={wide(waitedMs)}
          height="15"
          rx="1.5"
        />
      )}
      {aheadMs > 0 && (
        <rect x={at(fromMs)} y="23" width={wide(aheadMs)} height="6" fill={`url(#${hatchOf(name)})`} />
      )}
    </>
  );
}

/** All that was waited for, end to end. */
export function SumBar({ stages, topMs }: { stages: readonly Stage[]; topMs: number }) {
  return (
    <>
      {stages
        .filter(({ waitedMs }) => waitedMs > 0)
        .map(({ name, toMs, waitedMs }) => (
          <rect
            key={name}
            class={`stage-${name} piece`}
            x={`${(100 * (toMs - waitedMs)) / topMs}%`}
            y="5"
            width={`${(100 * waitedMs) / topMs}%`}
            height="18"
          />
        ))}
    </>
  );
}

/** Upright lines in a picture of times from left to right. */
export function TargetLines({ topMs, hasWords }: { topMs: number; hasWords: boolean }) {
  const at = (ms: number) => `${(100 * ms) / topMs}%`;
  return (
    <>
      <line class="target" x1={at(TARGET_VOICE_MS)} x2={at(TARGET_VOICE_MS)} y1="0" y2="100%" />
      {hasWords && (
        <line class="target words" x1={at(TARGET_WORDS_MS)} x2={at(TARGET_WORDS_MS)} y1="0" y2="100%" />
      )}
    </>
  );
}

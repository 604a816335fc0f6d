/** The three figures to look at first, each with its last five minutes. */

import type { ComponentChildren } from "preact";
import { words } from "../words";
import { type Figure, lines, type Sample, topOf } from "./history";
import { ms } from "./numbers";
import type { OpsState } from "./wire";

const WIDTH = 240;
const HEIGHT = 40;

export function Tiles({ state, samples }: { state: OpsState; samples: readonly Sample[] }) {
  const { admission, stages, load, sessions } = state;
  const table = words.ops;
  return (
    <section class="tiles" aria-label={table.glance}>
      <Tile name={table.conversations} figure="sessions" samples={samples} top={(value) => `${value}`}>
        <b>{sessions.length}</b> {table.of(admission.capacity)}
      </Tile>
      <Tile name={table.voiceP95} figure="voiceMs" samples={samples} top={ms}>
        <b>{ms(stages.voice_to_voice?.p95_ms)}</b>
      </Tile>
      <Tile name={table.lateP95} figure="lagMs" samples={samples} top={ms}>
        <b>{ms(load.loop_lag_p95_ms)}</b>
      </Tile>
    </section>
  );
}

interface TileProps {
  name: string;
  figure: Figure;
  samples: readonly Sample[];
  top(value: number): string;
  children: ComponentChildren;
}

function Tile({ name, figure, samples, top, children }: TileProps) {
  const most = topOf(samples, figure);
  return (
    <div class="tile">
      <p class="name">{name}</p>
      <p class="figure">{children}</p>
      <svg
        class="spark"
        viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`}
        preserveAspectRatio="none"
        aria-hidden="true"
      >
        <path class="ground" d={`M 0 ${HEIGHT} H ${WIDTH}`} />
        {lines(samples, figure, WIDTH, HEIGHT).map((points) => (
          <polyline key={points.slice(0, 12)} points={points} />
        ))}
      </svg>
      <p class="span">
        <span>{words.ops.ago}</span>
        {most > 0 && <span>{words.ops.most(top(most))}</span>}
        <span>{words.ops.now}</span>
      </p>
    </div>
  );
}

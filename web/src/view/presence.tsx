/** The shape that shows the state: a different figure for each, moved by CSS alone. */

import type { Phase, Wait } from "duologue-client";
import { shareOf } from "./words";

const BARS = [0.45, 0.8, 1, 0.7, 0.4];

/** What is shown: a state of the conversation, or that a key is wanted, which is no fault. */
export type Figure = Phase | "locked";

/** `wait`: what is waited for, if anything is. */
export function Presence({ figure, wait }: { figure: Figure; wait: Wait | null }) {
  return (
    <svg class="presence" viewBox="-100 -100 200 200" aria-hidden="true">
      {figureOf(figure, wait)}
    </svg>
  );
}

function figureOf(figure: Figure, wait: Wait | null) {
  switch (figure) {
    case "idle":
      return <Duo />;
    case "connecting":
      return <Arc />;
    case "waiting":
      return wait?.kind === "line" ? <Queue ahead={wait.position - 1} /> : <Portion share={shareOf(wait)} />;
    case "listening":
      return <Rings />;
    case "hearing":
      return <Bars />;
    case "thinking":
      return <Dots />;
    case "speaking":
      return <Ripples />;
    case "ended":
      return <Rest />;
    case "error":
      return <Broken />;
    case "locked":
      return <Locked />;
  }
}

function Duo() {
  return (
    <g key="duo" class="figure">
      <circle class="line" cx="-18" r="46" />
      <circle class="solid" cx="26" r="38" />
    </g>
  );
}

function Arc() {
  return (
    <g key="arc" class="figure turning">
      <circle class="line faint" r="56" />
      <path class="line" d="M 0 -56 A 56 56 0 0 1 56 0" />
    </g>
  );
}

const MOST_AHEAD = 3;

/** Those before us, faint; us, solid. */
function Queue({ ahead }: { ahead: number }) {
  const shown = Math.min(ahead, MOST_AHEAD);
  const leftmost = -28 * shown;
  return (
    <g key="queue" class="figure">
      {Array.from({ length: shown }, (_, i) => (
        <circle key={i} class="line faint" cx={leftmost + 56 * (i + 1)} r="14" />
      ))}
      <circle class="solid" cx={leftmost} r="20" />
      {shown === 0 && <circle class="line faint breathing" r="46" />}
    </g>
  );
}

/** A ring that closes; it is never quite empty, or it would look like nothing. */
function Portion({ share }: { share: number }) {
  const round = 2 * Math.PI * 56;
  return (
    <g key="portion" class="figure">
      <circle class="line faint" r="56" />
      <circle
        class="line portion"
        r="56"
        transform="rotate(-90)"
        stroke-dasharray={`${Math.max(0.04, share) * round} ${round}`}
      />
    </g>
  );
}

function Rings() {
  return (
    <g key="rings" class="figure">
      <circle class="line faint breathing late" r="78" />
      <circle class="line breathing" r="56" />
    </g>
  );
}

function Bars() {
  return (
    <g key="bars" class="figure">
      {BARS.map((share, i) => (
        <rect
          key={share}
          class="solid bar"
          style={{ "--share": share }}
          x={-62 + i * 28}
          y="-60"
          width="12"
          height="120"
          rx="6"
        />
      ))}
    </g>
  );
}

function Dots() {
  return (
    <g key="dots" class="figure">
      {[-46, 0, 46].map((x, i) => (
        <circle key={x} class={`solid dot dot-${i}`} cx={x} r="14" />
      ))}
    </g>
  );
}

function Ripples() {
  return (
    <g key="ripples" class="figure">
      <circle class="line faint ripple" r="60" />
      <circle class="line faint ripple second" r="60" />
      <circle class="solid voice" r="50" />
    </g>
  );
}

function Rest() {
  return (
    <g key="rest" class="figure">
      <circle class="line faint" r="56" />
      <path class="line" d="M -20 0 H 20" />
    </g>
  );
}

function Broken() {
  return (
    <g key="broken" class="figure">
      <circle class="line dashed" r="56" />
      <path class="line" d="M 0 -24 V 6" />
      <circle class="solid" cy="24" r="5" />
    </g>
  );
}

function Locked() {
  return (
    <g key="locked" class="figure">
      <circle class="line" cx="-30" r="28" />
      <path class="line" d="M -2 0 H 66 M 40 0 V 18 M 62 0 V 24" />
    </g>
  );
}

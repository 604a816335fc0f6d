/** The living shape: shows the state, and moves with the sound of both sides. */

import type { Talk } from "duologue-client";
import { useEffect, useRef } from "preact/hooks";
import { type Figure, isMoving, POSES, type Pose, toward } from "./figure";
import { type Colours, type Moment, paint } from "./paint";

interface ShapeProps {
  figure: Figure;
  levels: Talk["levels"];
  /** How much of the wait for a server that starts is over. */
  share: number;
  /** How many are before us in line. */
  ahead: number;
}

export function Shape({ figure, levels, share, ahead }: ShapeProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const drawing = useRef<Drawing | null>(null);
  useEffect(() => {
    drawing.current = new Drawing(canvas.current as HTMLCanvasElement, levels);
    return () => drawing.current?.stop();
  }, [levels]);
  useEffect(() => drawing.current?.show(figure, share, ahead), [figure, share, ahead]);
  return <canvas class="shape" data-figure={figure} ref={canvas} />;
}

// Where nobody speaks, half the frames are enough for the eye.
const CALM_FRAME_MS = 30;
const LIVELY = new Set<Figure>(["hearing", "speaking", "interrupted", "listening", "connecting"]);
// More pixels than this nobody sees, and each costs time.
const MOST_DENSITY = 2;

class Drawing {
  readonly #canvas: HTMLCanvasElement;
  readonly #ink: CanvasRenderingContext2D | null;
  readonly #levels: Talk["levels"];
  readonly #stop = new AbortController();
  readonly #still = matchMedia("(prefers-reduced-motion: reduce)");
  readonly #sizes: ResizeObserver;
  readonly #themes: MutationObserver;
  #figure: Figure = "idle";
  #pose: Pose = POSES.idle;
  #now: Moment = { time: 0, turn: 0, user: 0, voice: 0, share: 0, ahead: 0 };
  #colours: Colours | null = null;
  #frame = 0;
  #beforeMs = 0;

  constructor(canvas: HTMLCanvasElement, levels: Talk["levels"]) {
    this.#canvas = canvas;
    this.#levels = levels;
    this.#ink = canvas.getContext("2d");
    this.#sizes = new ResizeObserver(([entry]) => entry && this.#resize(entry.contentRect.width));
    this.#sizes.observe(canvas);
    const recolour = () => {
      this.#colours = null;
      this.#wake();
    };
    this.#themes = new MutationObserver(recolour);
    this.#themes.observe(document.documentElement, { attributeFilter: ["data-theme"] });
    const options = { signal: this.#stop.signal };
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour, options);
    this.#still.addEventListener("change", recolour, options);
  }

  show(figure: Figure, share: number, ahead: number): void {
    this.#figure = figure;
    this.#now = { ...this.#now, share, ahead };
    this.#wake();
  }

  stop(): void {
    cancelAnimationFrame(this.#frame);
    this.#stop.abort();
    this.#sizes.disconnect();
    this.#themes.disconnect();
  }

  #resize(width: number): void {
    const size = Math.round(width * Math.min(MOST_DENSITY, devicePixelRatio));
    if (size === this.#canvas.width) return;
    this.#canvas.width = this.#canvas.height = size;
    // A canvas that changes its size is empty until it is painted.
    this.#draw();
    this.#wake();
  }

  #wake(): void {
    if (this.#frame || this.#stop.signal.aborted) return;
    this.#beforeMs = performance.now();
    this.#frame = requestAnimationFrame((nowMs) => this.#step(nowMs));
  }

  /** A hidden page gets no frames, and a figure that is at rest asks for none. */
  #step(nowMs: number): void {
    const elapsedMs = Math.max(0, nowMs - this.#beforeMs);
    const goal = POSES[this.#figure];
    const isDue = LIVELY.has(this.#figure) || this.#pose !== goal || elapsedMs >= CALM_FRAME_MS;
    if (isDue) {
      this.#beforeMs = nowMs;
      // After a pause in the background it goes on where it was.
      this.#advance(goal, Math.min(0.1, elapsedMs / 1000));
      this.#draw();
    }
    const rests = this.#pose === goal && (this.#still.matches || !isMoving(goal));
    this.#frame = rests ? 0 : requestAnimationFrame((laterMs) => this.#step(laterMs));
  }

  #advance(goal: Pose, elapsed_s: number): void {
    const { time, turn } = this.#now;
    const user = this.#levels.user.step(elapsed_s);
    const voice = this.#levels.assistant.step(elapsed_s);
    if (this.#still.matches) {
      this.#pose = goal;
      this.#now = { ...this.#now, time: 0, turn: 0, user: 0.3, voice: 0.5 };
      return;
    }
    this.#pose = toward(this.#pose, goal, elapsed_s);
    const turned = goal.orbit > 0 ? turn + goal.orbit * elapsed_s : settled(turn, elapsed_s);
    this.#now = { ...this.#now, time: time + this.#pose.pace * elapsed_s, turn: turned, user, voice };
  }

  #draw(): void {
    if (!this.#ink || this.#canvas.width === 0) return;
    this.#colours ??= coloursOf(this.#canvas);
    paint(this.#ink, this.#canvas.width, this.#pose, this.#colours, this.#now);
  }
}

/** Bodies that went round come to rest side by side, the user's at the left. */
function settled(turn: number, elapsed_s: number): number {
  const over = turn - Math.round(turn);
  return Math.abs(over) < 0.001 ? 0 : over * Math.exp(-6 * elapsed_s);
}

/** From properties that hold colours, as the style sheet sets them: a custom property is not resolved for a script. */
function coloursOf(canvas: HTMLCanvasElement): Colours {
  const style = getComputedStyle(canvas);
  return {
    voice: style.color,
    user: style.caretColor,
    warning: style.columnRuleColor,
    faint: style.textDecorationColor,
  };
}

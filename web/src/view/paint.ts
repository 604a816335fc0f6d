/** Draws a pose. Only arithmetic and strokes: nothing here asks for a layout. */

import { edgeAt, type Pose } from "./figure";

export interface Colours {
  user: string;
  voice: string;
  warning: string;
  faint: string;
}

/** What the drawing depends on besides the pose. Levels and `share` are from 0 to 1. */
export interface Moment {
  /** Grows with the pose's pace, in seconds; it drives the edges. */
  time: number;
  /** Turns round the middle so far. */
  turn: number;
  user: number;
  voice: number;
  share: number;
  /** Of those who wait in line, how many are before us. */
  ahead: number;
}

const STEPS = 56;
const LINE = 5;
const MOST_AHEAD = 3;

/** On a canvas of `size` pixels. */
export function paint(
  ink: CanvasRenderingContext2D,
  size: number,
  pose: Pose,
  colours: Colours,
  now: Moment,
): void {
  ink.setTransform(1, 0, 0, 1, 0, 0);
  ink.clearRect(0, 0, size, size);
  ink.setTransform(size / 200, 0, 0, size / 200, size / 2, size / 2);
  ink.lineWidth = LINE;
  ink.lineCap = "round";
  ink.lineJoin = "round";
  if (pose.ripples > 0.01) ripples(ink, pose, colours, now);
  bodies(ink, pose, colours, now);
  if (pose.ring > 0.01) ring(ink, pose, colours, now);
  if (pose.queue > 0.01) queue(ink, pose, colours, now);
  if (pose.slash > 0.01) slash(ink, pose, colours);
  if (pose.bang > 0.01) bang(ink, pose, colours);
  if (pose.key > 0.01) key(ink, pose, colours);
}

function bodies(ink: CanvasRenderingContext2D, pose: Pose, colours: Colours, now: Moment): void {
  const turn = 2 * Math.PI * now.turn;
  const breath = 1 + 0.035 * pose.breath * Math.sin(1.7 * now.time);
  const spot = (x: number) => [x * Math.cos(turn), x * Math.sin(turn)] as const;
  body(ink, {
    at: spot(pose.userX),
    radius: pose.userSize * breath * (1 + pose.userGain * now.user * room(pose.userSize)),
    wave: pose.userWave * (1 + 1.2 * now.user),
    lobes: 0,
    time: now.time,
    fill: pose.userFill,
    alpha: pose.userAlpha,
    dash: pose.dash,
    colour: colours.user,
  });
  body(ink, {
    at: spot(pose.voiceX),
    radius: pose.voiceSize * (2 - breath) * (1 + pose.voiceGain * now.voice * room(pose.voiceSize)),
    wave: pose.voiceWave * (1 + 0.8 * now.voice),
    lobes: pose.lobes,
    time: now.time + 40,
    fill: pose.voiceFill,
    alpha: pose.voiceAlpha,
    dash: pose.dash * (1 - pose.slash),
    colour: pose.warning > 0.5 ? colours.warning : colours.voice,
  });
}

/** A large body has little room to swell before it leaves the picture. */
function room(radius: number): number {
  return Math.max(0.12, 1 - radius / 92);
}

interface Body {
  at: readonly [number, number];
  radius: number;
  wave: number;
  lobes: number;
  time: number;
  fill: number;
  alpha: number;
  dash: number;
  colour: string;
}

function body(ink: CanvasRenderingContext2D, { at, radius, wave, lobes, time, ...look }: Body): void {
  const { fill, alpha, dash, colour } = look;
  if (alpha < 0.01) return;
  const points = Array.from({ length: STEPS }, (_, i) => {
    const angle = (2 * Math.PI * i) / STEPS;
    const out = radius * edgeAt(angle, time, wave, lobes);
    return [at[0] + out * Math.cos(angle), at[1] + out * Math.sin(angle)] as const;
  });
  smooth(ink, points);
  ink.fillStyle = ink.strokeStyle = colour;
  ink.globalAlpha = alpha * fill;
  ink.fill();
  ink.globalAlpha = alpha * (1 - fill);
  ink.setLineDash(dash > 0.5 ? [1, 13] : []);
  ink.stroke();
  ink.setLineDash([]);
}

type Point = readonly [number, number];

/** A closed curve through the middles between the points. */
function smooth(ink: CanvasRenderingContext2D, points: readonly Point[]): void {
  const at = (i: number) => points[i % points.length] as Point;
  ink.beginPath();
  ink.moveTo((at(0)[0] + at(points.length - 1)[0]) / 2, (at(0)[1] + at(points.length - 1)[1]) / 2);
  for (let i = 0; i < points.length; i++) {
    const [x, y] = at(i);
    const [nextX, nextY] = at(i + 1);
    ink.quadraticCurveTo(x, y, (x + nextX) / 2, (y + nextY) / 2);
  }
  ink.closePath();
}

/** Sound that goes out, as strong as it is. */
function ripples(ink: CanvasRenderingContext2D, pose: Pose, { voice }: Colours, now: Moment): void {
  ink.strokeStyle = voice;
  for (const phase of [0, 0.5]) {
    const way = (0.28 * now.time + phase) % 1;
    ink.globalAlpha = pose.ripples * (1 - way) * (0.12 + 0.5 * now.voice);
    circle(ink, 0, 0, pose.voiceSize + way * (92 - pose.voiceSize));
    ink.stroke();
  }
}

/** Never quite empty, or it would look like nothing. */
function ring(ink: CanvasRenderingContext2D, { ring: alpha }: Pose, colours: Colours, now: Moment): void {
  ink.lineWidth = LINE + 2;
  ink.globalAlpha = alpha;
  ink.strokeStyle = colours.faint;
  circle(ink, 0, 0, 72);
  ink.stroke();
  ink.strokeStyle = colours.voice;
  ink.beginPath();
  ink.arc(0, 0, 72, -Math.PI / 2, 2 * Math.PI * (Math.max(0.03, now.share) - 0.25));
  ink.stroke();
}

/** Those before us, faint, towards the assistant; us, solid. */
function queue(ink: CanvasRenderingContext2D, { queue: alpha }: Pose, colours: Colours, now: Moment): void {
  const shown = Math.min(now.ahead, MOST_AHEAD);
  const step = 40;
  const left = -((shown + 1) * step) / 2;
  ink.globalAlpha = alpha;
  ink.fillStyle = colours.user;
  circle(ink, left, 0, 15 + 1.5 * Math.sin(2 * now.time));
  ink.fill();
  ink.strokeStyle = colours.faint;
  for (let i = 1; i <= shown; i++) {
    circle(ink, left + i * step, 0, 11);
    ink.stroke();
  }
  ink.fillStyle = colours.voice;
  circle(ink, left + (shown + 1) * step + 8, 0, 20);
  ink.fill();
}

function slash(ink: CanvasRenderingContext2D, { slash: alpha }: Pose, { user }: Colours): void {
  ink.globalAlpha = alpha;
  ink.strokeStyle = user;
  line(ink, -52, -52, 52, 52);
}

function bang(ink: CanvasRenderingContext2D, { bang: alpha }: Pose, { warning }: Colours): void {
  ink.globalAlpha = alpha;
  ink.strokeStyle = ink.fillStyle = warning;
  ink.lineWidth = LINE + 3;
  line(ink, 0, -24, 0, 8);
  circle(ink, 0, 25, 5);
  ink.fill();
}

function key(ink: CanvasRenderingContext2D, { key: alpha }: Pose, { voice }: Colours): void {
  ink.globalAlpha = alpha;
  ink.strokeStyle = voice;
  ink.lineWidth = LINE + 1;
  circle(ink, -32, 0, 28);
  ink.stroke();
  line(ink, -4, 0, 66, 0);
  line(ink, 40, 0, 40, 18);
  line(ink, 62, 0, 62, 24);
}

function line(ink: CanvasRenderingContext2D, x: number, y: number, toX: number, toY: number): void {
  ink.beginPath();
  ink.moveTo(x, y);
  ink.lineTo(toX, toY);
  ink.stroke();
}

function circle(ink: CanvasRenderingContext2D, x: number, y: number, radius: number): void {
  ink.beginPath();
  ink.arc(x, y, radius, 0, 2 * Math.PI);
}

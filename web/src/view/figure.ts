/**
 * What the shape is in each state: two bodies, the user's and the assistant's, in a square from -100 to 100. Poses are
 * plain numbers, so that one flows into the next. No I/O.
 */

import type { Phase } from "duologue-client";

/** What is shown: a state of the conversation, what is waited for, or that a key is wanted. */
export type Figure = Exclude<Phase, "waiting"> | "queueing" | "warming" | "locked";

/** Marks and motions are from 0 (absent) to 1. */
export interface Pose {
  userX: number;
  userSize: number;
  /** 0: an outline; 1: solid. */
  userFill: number;
  userAlpha: number;
  /** How far its edge leaves the circle. */
  userWave: number;
  /** How much its level swells it. */
  userGain: number;
  voiceX: number;
  voiceSize: number;
  voiceFill: number;
  voiceAlpha: number;
  voiceWave: number;
  voiceGain: number;
  /** Of the edges and of the breath: 1 is calm. */
  pace: number;
  breath: number;
  /** How fast the bodies go round each other, turns per second. */
  orbit: number;
  /** The assistant's body in three lobes that go round. */
  lobes: number;
  ripples: number;
  /** Edges as broken lines. */
  dash: number;
  /** A ring that closes with what is ready. */
  ring: number;
  queue: number;
  slash: number;
  bang: number;
  key: number;
  /** The colour of trouble instead of the accent. */
  warning: number;
}

const CALM: Pose = {
  userX: 0,
  userSize: 62,
  userFill: 0.1,
  userAlpha: 1,
  userWave: 0.03,
  userGain: 0.35,
  voiceX: 0,
  voiceSize: 34,
  voiceFill: 1,
  voiceAlpha: 1,
  voiceWave: 0.04,
  voiceGain: 0,
  pace: 1,
  breath: 0,
  orbit: 0,
  lobes: 0,
  ripples: 0,
  dash: 0,
  ring: 0,
  queue: 0,
  slash: 0,
  bang: 0,
  key: 0,
  warning: 0,
};

const APART = { userX: -30, userSize: 52, voiceX: 36, voiceSize: 44 };
const STILL = { userWave: 0, voiceWave: 0, pace: 0, userGain: 0, voiceGain: 0 };
const HIDDEN = { userAlpha: 0, voiceAlpha: 0, userWave: 0, voiceWave: 0, userGain: 0 };

export const POSES: Record<Figure, Pose> = {
  idle: { ...CALM, ...APART, userWave: 0.05, voiceWave: 0.06, breath: 0.6, userFill: 0.14, userGain: 0 },
  connecting: {
    ...CALM,
    userX: -32,
    userSize: 28,
    voiceX: 32,
    voiceSize: 28,
    orbit: 0.45,
    voiceFill: 0.85,
    userFill: 0.3,
    userGain: 0,
  },
  warming: {
    ...CALM,
    userX: -13,
    userSize: 26,
    voiceX: 15,
    voiceSize: 23,
    ring: 1,
    breath: 0.8,
    userGain: 0,
  },
  queueing: { ...CALM, ...HIDDEN, queue: 1, breath: 0.5 },
  reconnecting: {
    ...CALM,
    userX: -46,
    userSize: 34,
    voiceX: 46,
    voiceSize: 30,
    dash: 1,
    voiceFill: 0.25,
    breath: 1,
    pace: 0.7,
    userGain: 0,
  },
  listening: { ...CALM, breath: 1 },
  hearing: { ...CALM, userSize: 64, userFill: 0.72, userWave: 0.07, userGain: 0.5, pace: 2.2, voiceSize: 22 },
  interrupted: {
    ...CALM,
    userX: -14,
    userSize: 60,
    userFill: 0.72,
    userWave: 0.07,
    userGain: 0.45,
    voiceX: 58,
    voiceSize: 20,
    voiceFill: 0,
    pace: 2.2,
  },
  thinking: {
    ...CALM,
    userSize: 70,
    userAlpha: 0.35,
    userFill: 0,
    voiceSize: 38,
    lobes: 1,
    pace: 1.2,
    userGain: 0.1,
  },
  speaking: {
    ...CALM,
    userSize: 84,
    userAlpha: 0.5,
    userFill: 0,
    userGain: 0.15,
    voiceSize: 46,
    voiceWave: 0.09,
    voiceGain: 0.6,
    pace: 2,
    ripples: 1,
  },
  muted: {
    ...CALM,
    userAlpha: 0.55,
    userFill: 0,
    dash: 1,
    slash: 1,
    breath: 0.5,
    userGain: 0,
    voiceSize: 26,
  },
  ended: { ...CALM, ...APART, ...STILL, userAlpha: 0.6, voiceAlpha: 0.45, userFill: 0, voiceFill: 0.25 },
  error: { ...CALM, ...STILL, voiceSize: 60, voiceFill: 0.08, userAlpha: 0, dash: 1, bang: 1, warning: 1 },
  locked: { ...CALM, ...HIDDEN, ...STILL, key: 1 },
};

/** Whether anything moves in it of its own accord, or with the sound. */
export function isMoving({ pace, breath, orbit, lobes }: Pose): boolean {
  return pace + breath + orbit + lobes > 0;
}

// A pose is as good as reached after half a second.
const EASE_PER_S = 9;
const NEAR = 0.002;

/** `pose` some way nearer to `goal`; `goal` itself once nobody could see a difference. */
export function toward(pose: Pose, goal: Pose, elapsed_s: number): Pose {
  const share = 1 - Math.exp(-EASE_PER_S * elapsed_s);
  const next = { ...pose };
  let isThere = true;
  for (const name of Object.keys(goal) as (keyof Pose)[]) {
    const gap = goal[name] - pose[name];
    if (Math.abs(gap) > NEAR * (Math.abs(goal[name]) + 1)) isThere = false;
    next[name] = pose[name] + gap * share;
  }
  return isThere ? goal : next;
}

/** How far the edge is out at `angle`: three slow waves that never fall into step. */
export function edgeAt(angle: number, time: number, wave: number, lobes: number): number {
  const swell =
    Math.sin(2 * angle + 0.9 * time) +
    0.6 * Math.sin(3 * angle - 1.3 * time + 1) +
    0.15 * Math.sin(5 * angle + 1.7 * time + 2);
  return 1 + (wave * swell) / 1.5 + 0.2 * lobes * Math.cos(3 * angle - 2.4 * time);
}

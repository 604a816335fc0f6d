/** What `GET /ops/state` answers. */

export interface Recent {
  p50_ms: number;
  p95_ms: number;
  count: number;
}

export interface Loading {
  stages: string[];
  engine: string;
  state: "loading" | "ready" | "failed" | "stand-in";
  seconds: number;
  reason: string;
}

export interface Seen {
  id: string;
  transport: "websocket" | "webrtc";
  age_s: number;
  state: "listening" | "hearing" | "thinking" | "speaking";
  turns: number;
}

export interface EngineStats {
  engine: string;
  device: string;
  threads: number;
  steps: number;
  requests: number;
  waiting: number;
  running: number;
  cancelled: number;
  expired: number;
  failed: number;
  batches: Record<string, number>;
  step_p50_ms: number | null;
  step_p95_ms: number | null;
  queue_p95_ms: number | null;
}

export interface Admission {
  most: number;
  capacity: number;
  taken: number;
  called: number;
  waiting: number;
  most_waiting: number;
  /** Why a newcomer does not get in now; empty where he does. */
  closed_by: "" | "warming_up" | "max_sessions" | "prediction" | "pressure";
  admitted: number;
  queued: number;
  refused: Record<string, number>;
}

/** Predictions are null where nobody can tell; a target of 0 is none. Shares are from 0 to 1. */
export interface Load {
  target_ms: number;
  p90_now_ms: number | null;
  p90_next_ms: number | null;
  loop_busy: number;
  loop_lag_p95_ms: number;
  threads_busy: number;
  overdue_ms: number;
  pressure: number;
  pressure_for_s: number;
  pressure_why: string;
}

/** Since the start. Answers begun in a pause, and what sounds over answers were taken for. */
export interface TurnTaking {
  kept: number;
  dropped: number;
  dropped_s: number;
  verdicts: Record<string, number>;
}

export interface OpsState {
  status: "ready" | "full" | "warming" | "unhealthy";
  message: string;
  profile: string;
  up_s: number;
  warm_up: Loading[];
  unhealthy: Record<string, string>;
  sessions: Seen[];
  stages: Record<string, Recent>;
  turn_taking: TurnTaking;
  engines: { stages: string[]; stats: EngineStats }[];
  admission: Admission;
  load: Load;
  shed: string[];
}

/** What can stop a conversation, found out as well as a browser can. What to do about it is the view's to say. */

import { bearer, fits } from "./key";

export type TroubleKind =
  | "insecure"
  | "microphone-refused"
  | "microphone-missing"
  | "microphone-busy"
  | "microphone-lost"
  | "audio-failed"
  | "server-away"
  | "server-full"
  | "server-warming"
  | "server-wait"
  | "not-allowed"
  | "key-needed"
  | "key-wrong"
  | "key-unfit"
  | "webrtc-failed"
  | "connection-lost"
  | "connection-slow"
  | "session-over"
  /** The conversation goes on in another page. */
  | "taken-over";

export interface Trouble {
  kind: TroubleKind;
  /** The server's own words, where it gave some. */
  detail?: string;
}

/** Whether another key may help. */
export function isAboutKey({ kind }: Trouble): boolean {
  return kind.startsWith("key-");
}

/** Carries a trouble through a rejected promise. */
export class TroubleError extends Error {
  readonly trouble: Trouble;

  constructor(kind: TroubleKind, detail?: string) {
    super(detail ?? kind);
    this.trouble = detail ? { kind, detail } : { kind };
  }
}

export function troubleOf(error: unknown): Trouble {
  if (error instanceof TroubleError) return error.trouble;
  if (error instanceof DOMException) return { kind: microphoneTrouble(error.name) };
  return { kind: "audio-failed", detail: String(error) };
}

function microphoneTrouble(name: string): TroubleKind {
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
      return "microphone-refused";
    case "NotFoundError":
    case "OverconstrainedError":
      return "microphone-missing";
    case "NotReadableError":
      return "microphone-busy";
    default:
      return "audio-failed";
  }
}

/** What keeps this page, or its key, from the server; found out before anything is asked of the user. */
export async function accessTrouble(base: string, key: string | null): Promise<Trouble | null> {
  if (key !== null && !fits(key, "header")) return { kind: "key-wrong" };
  // A client secret opens a talk and nothing else: asking about it is trying it.
  if (key?.startsWith("ek_")) return null;
  const models = await ask(new URL("v1/models", base), bearer(key));
  return models && refusal(models.status, key !== null, (await readError(models)).message);
}

/** What these answers of the server mean, to whatever they were given; null for all others. */
export function refusal(status: number, hasKey: boolean, message?: string): Trouble | null {
  const detail = message ? { detail: message } : {};
  if (status === 401) return { kind: hasKey ? "key-wrong" : "key-needed" };
  if (status === 403) return { kind: "not-allowed", ...detail };
  if (status === 429) return { kind: "server-wait", ...detail };
  return null;
}

export interface WireProblem {
  code?: string;
  message?: string;
  /** A place in the line. */
  ticket?: string;
  /** How far the server is with its start. */
  progress?: { ready?: number; of?: number };
}

/** OpenAI's error object, if there is one. */
export async function readError(answer: Response): Promise<WireProblem> {
  const { code, message, ticket, progress } = Object((await readJson(answer)).error);
  return {
    ...(typeof code === "string" ? { code } : {}),
    ...(typeof message === "string" ? { message } : {}),
    ...(typeof ticket === "string" ? { ticket } : {}),
    ...(progress ? { progress } : {}),
  };
}

/**
 * Why a WebSocket could not be opened. A browser hides the refusal, so the health pages are asked:
 * `{"status": "full" | "warming", "message"}` tells the two apart, whatever the HTTP status (a full server
 * is healthy); and the models list, whose door is the same, whether a key is wanted.
 */
export async function diagnose(base: string, key: string | null): Promise<Trouble> {
  for (const page of ["readyz", "healthz"]) {
    const answer = await ask(new URL(page, base));
    if (!answer) continue;
    const { status, message } = await readJson(answer);
    const detail = typeof message === "string" && message ? { detail: message } : {};
    if (status === "full") return { kind: "server-full", ...detail };
    if (status === "warming") return { kind: "server-warming", ...detail };
  }
  return (await accessTrouble(base, key)) ?? { kind: "server-away" };
}

/** Whether the server takes requests: not where it is gone, nor while it stops. */
export async function isAnswering(base: string): Promise<boolean> {
  return (await ask(new URL("healthz", base)))?.ok ?? false;
}

async function ask(url: URL, headers: HeadersInit = {}): Promise<Response | null> {
  try {
    return await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(3000) });
  } catch {
    return null;
  }
}

async function readJson(answer: Response): Promise<Record<string, unknown>> {
  try {
    return Object(await answer.json());
  } catch {
    return {};
  }
}

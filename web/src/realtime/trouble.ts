/** What can stop a conversation, found out as well as a browser can. What to do about it is the view's to say. */

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
  | "key-needed"
  | "connection-lost"
  | "connection-slow"
  | "session-over";

export interface Trouble {
  kind: TroubleKind;
  /** The server's own words, where it gave some. */
  detail?: string;
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

/**
 * Why a WebSocket could not be opened. A browser hides the refusal, so the health pages are asked:
 * `{"status": "full" | "warming", "message"}` tells the two apart, whatever the HTTP status (a full server
 * is healthy); 401 from the models list means that a key is wanted.
 */
export async function diagnose(base: string, key: string | null): Promise<Trouble> {
  for (const page of ["readyz", "healthz"]) {
    const answer = await ask(new URL(page, base));
    if (!answer) continue;
    const { status, message } = await readStatus(answer);
    const detail = typeof message === "string" && message ? { detail: message } : {};
    if (status === "full") return { kind: "server-full", ...detail };
    if (status === "warming") return { kind: "server-warming", ...detail };
  }
  const headers: HeadersInit = key ? { Authorization: `Bearer ${key}` } : {};
  const models = await ask(new URL("v1/models", base), headers);
  return { kind: models?.status === 401 ? "key-needed" : "server-away" };
}

async function ask(url: URL, headers: HeadersInit = {}): Promise<Response | null> {
  try {
    return await fetch(url, { headers, cache: "no-store", signal: AbortSignal.timeout(3000) });
  } catch {
    return null;
  }
}

async function readStatus(answer: Response): Promise<{ status?: unknown; message?: unknown }> {
  try {
    return Object(await answer.json());
  } catch {
    return {};
  }
}

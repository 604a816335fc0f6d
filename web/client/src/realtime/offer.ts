/** What a server offers: `/v1/offer`. */

import { bearer } from "./key";

export interface OfferedEngine {
  /** "vad", "turn", "asr", "speech", "chat", "tts": what it is used for. */
  stages: string[];
  engine: string;
  /** The model's own name, where it has one. */
  model: string | null;
  licence: string | null;
  sizeBytes: number | null;
}

export interface OfferedVoice {
  id: string;
  /** ISO 639-1, where the voice is for one language. */
  language: string | null;
}

export interface Persona {
  id: string;
  name: string;
  description: string;
  instructions: string;
  voice: string | null;
  speed: number | null;
}

export interface Offer {
  version: string;
  profile: string;
  engines: OfferedEngine[];
  /** Chat models to choose from; the first is the default. Only one: there is no choice. */
  models: string[];
  voices: OfferedVoice[];
  voice: string;
  /** Of speech that is understood; empty: not known, or any. */
  languages: string[];
  speed: { least: number; most: number };
  instructions: string;
  personas: Persona[];
  /** Which MCP servers a session may name. */
  mcp: "any" | "public" | "none";
  /** `days`: how long conversations are kept, 0 for ever. */
  store: { isOn: boolean; days: number; hasSound: boolean };
}

/** Null where the server does not answer, or does not tell. */
export async function fetchOffer(base: string, key: string | null): Promise<Offer | null> {
  try {
    const answer = await fetch(new URL("v1/offer", base), {
      headers: bearer(key),
      cache: "no-store",
      signal: AbortSignal.timeout(5000),
    });
    return answer.ok ? readOffer(Object(await answer.json())) : null;
  } catch {
    return null;
  }
}

interface WireOffer {
  version: string;
  profile: string;
  engines: {
    stages: string[];
    engine: string;
    model: string | null;
    licence: string | null;
    size_bytes: number | null;
  }[];
  models: string[];
  voices: OfferedVoice[];
  voice: string;
  languages: string[];
  speed: { least: number; most: number };
  instructions: string;
  personas: Persona[];
  mcp: Offer["mcp"];
  store: { on: boolean; days: number; sound: boolean };
}

export function readOffer(body: WireOffer): Offer {
  return {
    ...body,
    engines: body.engines.map(({ size_bytes, ...each }) => ({ ...each, sizeBytes: size_bytes })),
    store: { isOn: body.store.on, days: body.store.days, hasSound: body.store.sound },
  };
}

/** What the gallery's server would answer. */

import type { Offer } from "duologue-client";

export const offer: Offer = {
  version: "0.1.0",
  profile: "cpu",
  engines: [
    { stages: ["vad"], engine: "silero", model: "silero-vad 5", licence: "MIT", sizeBytes: 2_300_000 },
    {
      stages: ["asr"],
      engine: "whisper",
      model: "whisper-base.en",
      licence: "MIT",
      sizeBytes: 145_000_000,
    },
    {
      stages: ["chat"],
      engine: "llama_server",
      model: "qwen3-4b",
      licence: "Apache-2.0",
      sizeBytes: 2_500_000_000,
    },
    { stages: ["tts"], engine: "kokoro", model: "kokoro-82m", licence: "Apache-2.0", sizeBytes: 330_000_000 },
  ],
  models: ["qwen3-4b", "llama-3.2-3b"],
  voices: [
    { id: "af_heart", language: "en" },
    { id: "bm_george", language: "en" },
    { id: "ff_siwis", language: "fr" },
  ],
  voice: "af_heart",
  languages: ["en", "fr", "de"],
  speed: { least: 0.5, most: 2 },
  instructions: "You are a friendly companion. Answer in one or two short sentences.",
  personas: [
    {
      id: "tutor",
      name: "Language tutor",
      description: "Corrects gently, and asks back.",
      instructions: "You teach English. Correct one mistake at a time.",
      voice: "bm_george",
      speed: 0.9,
    },
    {
      id: "story",
      name: "Story teller",
      description: "Short stories by the sea.",
      instructions: "You tell very short stories.",
      voice: null,
      speed: null,
    },
  ],
  mcp: "any",
  store: { isOn: true, days: 30, hasSound: false },
};

const DAY_S = 86_400;
const TITLES = ["High tide and a story", "What to cook with leeks", "Verbs that end in -ir", "Morning"];

/** Only the list of conversations is there; anything else is away. */
export async function server(asked: RequestInfo | URL): Promise<Response> {
  const { pathname } = new URL(asked instanceof Request ? asked.url : asked);
  if (!pathname.endsWith("/v1/conversations")) return new Response("{}", { status: 503 });
  const now_s = Date.now() / 1000;
  const data = TITLES.map((title, i) => ({
    id: i === 0 ? "conv_7f" : `conv_${i}`,
    title,
    created_at: now_s - (i * i + 0.1) * DAY_S,
    updated_at: now_s - (i * i + 0.05) * DAY_S,
    turns: 4 + 3 * i,
    is_live: i === 0,
  }));
  return Response.json({ data, has_more: false });
}

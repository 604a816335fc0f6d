/** Personas: choosing one fills in instructions, voice and speed, which may then be changed. No I/O. */

import type { OfferedVoice, Persona, Settings } from "duologue-client";

type Part = Pick<Settings, "instructions" | "voice" | "speed">;

/** As the server's owner set it up. */
const STANDARD: Part = { instructions: null, voice: null, speed: 1 };

/** Null: the standard one. A voice that the server does not have is left to the server. */
export function partOf(persona: Persona | null, voices: readonly OfferedVoice[]): Part {
  if (!persona) return STANDARD;
  const hasVoice = voices.some(({ id }) => id === persona.voice);
  return {
    instructions: persona.instructions,
    voice: hasVoice ? persona.voice : null,
    speed: persona.speed ?? 1,
  };
}

export function choose(persona: Persona | null, voices: readonly OfferedVoice[]): Partial<Settings> {
  return { persona: persona?.id ?? null, ...partOf(persona, voices) };
}

/** The one that was chosen; null for the standard one, and for one that the server no longer has. */
export function chosen(settings: Settings, personas: readonly Persona[]): Persona | null {
  return personas.find(({ id }) => id === settings.persona) ?? null;
}

/** Whether something was changed since. */
export function isChanged(
  settings: Settings,
  persona: Persona | null,
  voices: readonly OfferedVoice[],
): boolean {
  const { instructions, voice, speed } = partOf(persona, voices);
  return settings.instructions !== instructions || settings.voice !== voice || settings.speed !== speed;
}

/** What a text typed into the field means: nothing, or the server's own words, is "as the server has it". */
export function typedInstructions(text: string, own: string): string | null {
  return text.trim() === "" || text === own ? null : text;
}

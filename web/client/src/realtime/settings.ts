/** What a person may set of a talk, and what of it goes to the server as `session.update`. No I/O. */

export type Patience = "low" | "medium" | "high";

/** An MCP server whose tools the assistant may use. */
export interface ToolServer {
  label: string;
  url: string;
  isOn: boolean;
  /** Whether each call waits for the user's word. */
  asksFirst: boolean;
}

/** Null: as the server has it. */
export interface Settings {
  /** A chat model that the server offers. */
  model: string | null;
  voice: string | null;
  /** Of the user's speech, as ISO 639-1. */
  language: string | null;
  /** 1 is the voice's own pace. */
  speed: number;
  instructions: string | null;
  /** The persona that instructions, voice and speed were taken from. */
  persona: string | null;
  /** How long it waits in a pause: high waits longer. */
  patience: Patience;
  /** Whether speech over an answer stops it. */
  isInterruptible: boolean;
  toolServers: readonly ToolServer[];
  areToolsOn: boolean;
  /** Whether the server is to keep the conversation, where it keeps any. */
  isKept: boolean;
}

export const DEFAULT_SETTINGS: Settings = {
  model: null,
  voice: null,
  language: null,
  speed: 1,
  instructions: null,
  persona: null,
  patience: "medium",
  isInterruptible: true,
  toolServers: [],
  areToolsOn: true,
  isKept: true,
};

/** What concerns this device alone; null: the browser's default. */
export interface DeviceSettings {
  microphoneId: string | null;
  speakerId: string | null;
  /** Of the assistant's voice, in [0, 1]. */
  volume: number;
  /** The microphone is open only while a key or a button is held. */
  isPushToTalk: boolean;
  /** Short tones when the state changes. */
  hasTones: boolean;
}

export const DEFAULT_DEVICES: DeviceSettings = {
  microphoneId: null,
  speakerId: null,
  volume: 1,
  isPushToTalk: false,
  hasTones: true,
};

// OpenAI's word for it is the other way round: who is eager waits less.
const EAGERNESS: Record<Patience, string> = { low: "high", medium: "auto", high: "low" };

/** What a session is like where nothing is asked of it: what is set back in mid-talk goes back to this. */
export interface Defaults {
  model: string | null;
  instructions: string | null;
  voice: string | null;
}

export interface SessionTerms {
  /** Then the page says when a turn is over. */
  isPushToTalk?: boolean;
  defaults?: Defaults | null;
}

/** The session as `session.update` has it. */
export function sessionOf(settings: Settings, terms: SessionTerms = {}): object {
  const { isPushToTalk = false, defaults = null } = terms;
  const { language, speed, patience, isInterruptible } = settings;
  const model = settings.model ?? defaults?.model ?? null;
  const instructions = settings.instructions ?? defaults?.instructions ?? null;
  const voice = settings.voice ?? defaults?.voice ?? null;
  const detection = {
    type: "semantic_vad",
    eagerness: EAGERNESS[patience],
    interrupt_response: isInterruptible,
  };
  return {
    type: "realtime",
    ...(model ? { model } : {}),
    ...(instructions === null ? {} : { instructions }),
    audio: {
      input: {
        transcription: { model: "default", ...(language ? { language } : {}) },
        turn_detection: isPushToTalk ? null : detection,
      },
      output: { speed, ...(voice ? { voice } : {}) },
    },
    tools: settings.areToolsOn ? settings.toolServers.filter((server) => server.isOn).map(toolOf) : [],
  };
}

/** Settings without what the server refused: it takes an update as a whole, or nothing of it. Null: it cannot be told. */
export function withoutRefused(settings: Settings, param: string): Settings | null {
  const field = Object.keys(HARMLESS).find((name) => param.split(/[.[]/).includes(name));
  const changed = field ? { ...settings, ...HARMLESS[field] } : settings;
  return JSON.stringify(changed) === JSON.stringify(settings) ? null : changed;
}

const HARMLESS: Record<string, Partial<Settings>> = {
  model: { model: null },
  voice: { voice: null },
  language: { language: null },
  transcription: { language: null },
  instructions: { instructions: null },
  speed: { speed: 1 },
  tools: { areToolsOn: false },
};

function toolOf({ label, url, asksFirst }: ToolServer): object {
  return {
    type: "mcp",
    server_label: label,
    server_url: url,
    require_approval: asksFirst ? "always" : "never",
  };
}

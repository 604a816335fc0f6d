/** What this browser keeps of a person's choices. Each field is checked by itself: a bad one falls back alone. */

import {
  DEFAULT_DEVICES,
  DEFAULT_SETTINGS,
  type DeviceSettings,
  type Patience,
  type Settings,
  type ToolServer,
} from "duologue-client";

export type Theme = "auto" | "light" | "dark";

/** How the page itself looks. */
export interface Look {
  theme: Theme;
  hasTimes: boolean;
}

export const DEFAULT_LOOK: Look = { theme: "auto", hasTimes: false };

const [SETTINGS, DEVICES, LOOK] = ["duologue-settings", "duologue-devices", "duologue-look"];
const CONVERSATION = "duologue-conversation";

type Fields = Record<string, unknown>;
type Store = Pick<Storage, "getItem" | "setItem" | "removeItem">;

// What every server takes.
const SPEEDS = { least: 0.25, most: 1.5 };

export class Prefs {
  readonly #lasting: Store | null;
  readonly #ofTab: Store | null;

  /** Null where the browser stores nothing: then choices last as long as the page. */
  constructor(lasting: Store | null, ofTab: Store | null) {
    this.#lasting = lasting;
    this.#ofTab = ofTab;
  }

  get settings(): Settings {
    return readSettings(read(this.#lasting, SETTINGS));
  }

  set settings(settings: Settings) {
    write(this.#lasting, SETTINGS, JSON.stringify(settings));
  }

  get devices(): DeviceSettings {
    return readDevices(read(this.#lasting, DEVICES));
  }

  set devices(devices: DeviceSettings) {
    write(this.#lasting, DEVICES, JSON.stringify(devices));
  }

  get look(): Look {
    const { theme, hasTimes } = read(this.#lasting, LOOK);
    return {
      theme: theme === "light" || theme === "dark" ? theme : DEFAULT_LOOK.theme,
      hasTimes: flag(hasTimes, DEFAULT_LOOK.hasTimes),
    };
  }

  set look(look: Look) {
    write(this.#lasting, LOOK, JSON.stringify(look));
  }

  /** The one on this tab's page, to be shown again after a reload. */
  get conversationId(): string | null {
    const { id } = read(this.#ofTab, CONVERSATION);
    return typeof id === "string" ? id : null;
  }

  set conversationId(id: string | null) {
    write(this.#ofTab, CONVERSATION, id === null ? null : JSON.stringify({ id }));
  }
}

/** Reading `localStorage` throws where a browser is told to store nothing. */
export function storeOf(name: "localStorage" | "sessionStorage"): Store | null {
  try {
    return globalThis[name];
  } catch {
    return null;
  }
}

function read(store: Store | null, name: string): Fields {
  try {
    return Object(JSON.parse(store?.getItem(name) ?? "{}"));
  } catch {
    return {};
  }
}

/** A store that is full keeps what it has. */
function write(store: Store | null, name: string, text: string | null): void {
  try {
    if (text === null) store?.removeItem(name);
    else store?.setItem(name, text);
  } catch {}
}

export function readSettings(fields: Fields): Settings {
  const normal = DEFAULT_SETTINGS;
  return {
    model: line(fields.model),
    voice: line(fields.voice),
    language: line(fields.language),
    speed: within(fields.speed, SPEEDS.least, SPEEDS.most, normal.speed),
    instructions: line(fields.instructions),
    persona: line(fields.persona),
    patience: isPatience(fields.patience) ? fields.patience : normal.patience,
    isInterruptible: flag(fields.isInterruptible, normal.isInterruptible),
    toolServers: readToolServers(fields.toolServers),
    areToolsOn: flag(fields.areToolsOn, normal.areToolsOn),
    isKept: flag(fields.isKept, normal.isKept),
  };
}

export function readDevices(fields: Fields): DeviceSettings {
  const normal = DEFAULT_DEVICES;
  return {
    microphoneId: line(fields.microphoneId),
    speakerId: line(fields.speakerId),
    volume: within(fields.volume, 0, 1, normal.volume),
    isPushToTalk: flag(fields.isPushToTalk, normal.isPushToTalk),
    hasTones: flag(fields.hasTones, normal.hasTones),
  };
}

function readToolServers(list: unknown): readonly ToolServer[] {
  if (!Array.isArray(list)) return DEFAULT_SETTINGS.toolServers;
  return list.map(Object).flatMap(({ label, url, isOn, asksFirst }: Fields) => {
    if (typeof label !== "string" || typeof url !== "string" || !label || !url) return [];
    return [{ label, url, isOn: flag(isOn, false), asksFirst: flag(asksFirst, true) }];
  });
}

function line(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}

function flag(value: unknown, normal: boolean): boolean {
  return typeof value === "boolean" ? value : normal;
}

function within(value: unknown, least: number, most: number, normal: number): number {
  return typeof value === "number" && value >= least && value <= most ? value : normal;
}

function isPatience(value: unknown): value is Patience {
  return value === "low" || value === "medium" || value === "high";
}

/** What the person wants of a talk, and what of it this server has: only that is sent to it. */

import type { Offer, Settings, Talk } from "duologue-client";
import { useEffect, useMemo } from "preact/hooks";
import type { Prefs } from "./prefs";

export interface OwnSettings {
  readonly now: Settings;
  choose(settings: Settings): void;
}

/**
 * Without what this server does not offer: it refuses an update as a whole for one name that it does not know. Null:
 * the server did not tell, and says itself what it cannot do.
 */
export function fitting(settings: Settings, offer: Offer | null): Settings {
  if (!offer) return settings;
  const { voice, language, model, areToolsOn } = settings;
  const hasVoice = offer.voices.some(({ id }) => id === voice);
  return {
    ...settings,
    voice: hasVoice || offer.voices.length === 0 ? voice : null,
    language: language !== null && isUnderstood(language, offer) ? language : null,
    model: model !== null && offer.models.includes(model) ? model : null,
    areToolsOn: areToolsOn && offer.mcp !== "none",
  };
}

export function isUnderstood(language: string, { languages }: Offer): boolean {
  return languages.length === 0 || languages.includes(language);
}

/** Whether anything in it is a name that only some servers know. */
export function dependsOnOffer({ voice, language, model, toolServers }: Settings): boolean {
  return voice !== null || language !== null || model !== null || toolServers.length > 0;
}

export function useOwnSettings(talk: Talk, prefs: Prefs, offer: Offer | null): OwnSettings {
  const own = useMemo(() => new Own(talk, prefs), [talk, prefs]);
  useEffect(() => own.heed(offer), [own, offer]);
  return own;
}

class Own implements OwnSettings {
  readonly #talk: Talk;
  readonly #prefs: Prefs;
  #now: Settings;
  #offer: Offer | null = null;

  constructor(talk: Talk, prefs: Prefs) {
    this.#talk = talk;
    this.#prefs = prefs;
    this.#now = talk.settings;
  }

  get now(): Settings {
    return this.#now;
  }

  choose(settings: Settings): void {
    this.#now = this.#prefs.settings = settings;
    this.#talk.configure(fitting(settings, this.#offer));
  }

  heed(offer: Offer | null): void {
    this.#offer = offer;
    const fit = fitting(this.#now, offer);
    if (JSON.stringify(fit) !== JSON.stringify(this.#talk.settings)) this.#talk.configure(fit);
  }
}

/** Languages by their names, and voices by their languages. No I/O. */

import type { OfferedVoice } from "duologue-client";

export interface Named {
  id: string;
  name: string;
}

/** As the reader calls it; a tag that nobody knows stays itself. */
export function languageName(tag: string, locale: string): string {
  try {
    return new Intl.DisplayNames(locale, { type: "language" }).of(tag) ?? tag;
  } catch {
    return tag;
  }
}

/**
 * What there is to choose from, by name. Where the server does not tell what it understands, that is the browser's
 * languages; what was chosen before is always among them.
 */
export function languageChoice(
  offered: readonly string[],
  ofBrowser: readonly string[],
  chosen: string | null,
  locale: string,
): Named[] {
  const known = offered.length > 0 ? offered : ofBrowser.map((tag) => tag.slice(0, 2).toLowerCase());
  const ids = new Set([...known, ...(chosen ? [chosen] : [])]);
  return [...ids]
    .map((id) => ({ id, name: languageName(id, locale) }))
    .sort((a, b) => a.name.localeCompare(b.name, locale));
}

export interface VoiceGroup {
  /** Null: voices for any language. */
  language: string | null;
  name: string | null;
  voices: OfferedVoice[];
}

/** Groups by language: `first` leads, voices for any language close. */
export function voiceGroups(
  voices: readonly OfferedVoice[],
  first: string | null,
  locale: string,
): VoiceGroup[] {
  const groups = new Map<string | null, OfferedVoice[]>();
  for (const voice of voices) groups.set(voice.language, [...(groups.get(voice.language) ?? []), voice]);
  const rank = ({ language, name }: VoiceGroup) =>
    language === null ? "2" : `${language === first ? 0 : 1}${name}`;
  return [...groups]
    .map(([language, of]) => ({ language, name: language && languageName(language, locale), voices: of }))
    .sort((a, b) => rank(a).localeCompare(rank(b), locale));
}

/** What is said to let a voice be heard, in its own language. */
const SAMPLES: Record<string, string> = {
  ar: "مرحبا. هكذا أبدو عندما نتحدث معا.",
  ca: "Hola. Així sono quan parlem.",
  cs: "Dobrý den. Takhle zním, když si povídáme.",
  da: "Hej. Sådan lyder jeg, når vi taler sammen.",
  de: "Hallo. So klinge ich, wenn wir miteinander sprechen.",
  el: "Γεια σας. Έτσι ακούγομαι όταν μιλάμε.",
  en: "Hello. This is how I sound when we talk.",
  es: "Hola. Así sueno cuando hablamos.",
  fi: "Hei. Tältä kuulostan, kun puhumme.",
  fr: "Bonjour. Voici ma voix quand nous parlons.",
  hi: "नमस्ते। जब हम बात करते हैं, मेरी आवाज़ ऐसी होती है।",
  hu: "Jó napot! Így szólok, amikor beszélgetünk.",
  id: "Halo. Beginilah suara saya saat kita berbicara.",
  it: "Ciao. Questa è la mia voce quando parliamo.",
  ja: "こんにちは。お話しするときは、こんな声です。",
  ko: "안녕하세요. 함께 이야기할 때 제 목소리는 이렇습니다.",
  nb: "Hei. Slik høres jeg ut når vi snakker.",
  nl: "Hallo. Zo klink ik als we praten.",
  pl: "Cześć. Tak brzmię, kiedy rozmawiamy.",
  pt: "Olá. É assim que eu soo quando conversamos.",
  ro: "Bună ziua. Așa sun când vorbim.",
  ru: "Здравствуйте. Так звучит мой голос в разговоре.",
  sk: "Dobrý deň. Takto zniem, keď sa rozprávame.",
  sv: "Hej. Så här låter jag när vi pratar.",
  tr: "Merhaba. Konuşurken sesim böyle.",
  uk: "Привіт. Так звучить мій голос у розмові.",
  vi: "Xin chào. Đây là giọng của tôi khi chúng ta nói chuyện.",
  zh: "你好。我们聊天时，我的声音是这样的。",
};

export function sampleText(language: string | null): string {
  return SAMPLES[language?.slice(0, 2).toLowerCase() ?? "en"] ?? (SAMPLES.en as string);
}

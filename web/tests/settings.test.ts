import {
  DEFAULT_SETTINGS,
  type Offer,
  type OfferedVoice,
  type Persona,
  type ToolServer,
} from "duologue-client";
import { describe, expect, it } from "vitest";
import { languageChoice, languageName, sampleText, voiceGroups } from "../src/view/settings/languages";
import { choose, chosen, isChanged, typedInstructions } from "../src/view/settings/personas";
import { sizeText } from "../src/view/settings/sizes";
import { sortDevices } from "../src/view/settings/sound-devices";
import { labelProblem, problemsOf, urlProblem } from "../src/view/settings/tool-servers";
import { dependsOnOffer, fitting } from "../src/view/use-settings";

const VOICES: OfferedVoice[] = [
  { id: "heart", language: "en" },
  { id: "siwis", language: "fr" },
];

const TUTOR: Persona = {
  id: "tutor",
  name: "Tutor",
  description: "",
  instructions: "Teach.",
  voice: "siwis",
  speed: 0.9,
};

describe("personas", () => {
  const taught = { ...DEFAULT_SETTINGS, ...choose(TUTOR, VOICES) };

  it("fill in instructions, voice and speed, and nothing else", () => {
    expect(choose(TUTOR, VOICES)).toEqual({
      persona: "tutor",
      instructions: "Teach.",
      voice: "siwis",
      speed: 0.9,
    });
  });

  it("leave to the server what they do not say, or what it does not have", () => {
    expect(choose({ ...TUTOR, voice: "elsewhere", speed: null }, VOICES)).toMatchObject({
      voice: null,
      speed: 1,
    });
  });

  it("go back to the server's own", () => {
    expect({ ...taught, ...choose(null, VOICES) }).toEqual(DEFAULT_SETTINGS);
  });

  it("are changed by any of the three", () => {
    expect(isChanged(taught, TUTOR, VOICES)).toBe(false);
    expect(isChanged({ ...taught, speed: 1 }, TUTOR, VOICES)).toBe(true);
    expect(isChanged({ ...taught, voice: "heart" }, TUTOR, VOICES)).toBe(true);
    expect(isChanged({ ...taught, instructions: "Teach!" }, TUTOR, VOICES)).toBe(true);
    expect(isChanged({ ...taught, patience: "high" }, TUTOR, VOICES)).toBe(false);
    expect(isChanged(DEFAULT_SETTINGS, null, VOICES)).toBe(false);
  });

  it("are found again, if the server still has them", () => {
    expect(chosen(taught, [TUTOR])).toBe(TUTOR);
    expect(chosen(taught, [])).toBeNull();
  });

  it("take the server's own words as none", () => {
    expect(typedInstructions("Be kind.", "Be kind.")).toBeNull();
    expect(typedInstructions("  ", "Be kind.")).toBeNull();
    expect(typedInstructions("Be brief.", "Be kind.")).toBe("Be brief.");
  });
});

describe("tool servers", () => {
  const others: ToolServer[] = [
    { label: "files", url: "https://a.example/mcp", isOn: true, asksFirst: true },
  ];

  it.each([
    ["", "label-empty"],
    ["my files", "label-signs"],
    ["café", "label-signs"],
    ["x".repeat(65), "label-long"],
    ["files", "label-taken"],
    ["Files_2-b", null],
  ])("of the name %j: %s", (label, problem) => expect(labelProblem(label, others)).toBe(problem));

  it.each([
    ["", "any", "url-empty"],
    ["tools.example.com", "any", "url-bad"],
    ["https:tools", "any", "url-bad"],
    ["javascript:alert(1)", "any", "url-bad"],
    ["ftp://tools.example.com", "any", "url-bad"],
    ["https://me:secret@tools.example.com", "any", "url-user"],
    ["http://127.0.0.1:8000/mcp", "any", null],
    ["http://tools.example.com/mcp", "public", "url-insecure"],
    ["HTTPS://tools.example.com/mcp", "public", null],
  ] as const)("at %j, %s allowed: %s", (url, mcp, problem) => expect(urlProblem(url, mcp)).toBe(problem));

  it("tell of both at once", () => {
    expect(problemsOf({ label: "", url: "" }, others, "any")).toEqual({
      label: "label-empty",
      url: "url-empty",
    });
  });
});

describe("languages", () => {
  it("have names, and are sorted by them", () => {
    expect(languageName("de", "en")).toBe("German");
    expect(languageChoice(["fr", "de", "en"], [], null, "en").map(({ name }) => name)).toEqual([
      "English",
      "French",
      "German",
    ]);
  });

  it("stay as they are where nobody knows them", () =>
    expect(languageName("not a tag", "en")).toBe("not a tag"));

  it("are the browser's where the server does not tell, and the chosen one stays", () => {
    const ids = (...args: Parameters<typeof languageChoice>) => languageChoice(...args).map(({ id }) => id);
    expect(ids([], ["de-CH", "de", "en-US"], null, "en")).toEqual(["en", "de"]);
    expect(ids([], ["en"], "sv", "en")).toEqual(["en", "sv"]);
    expect(ids(["en"], ["de"], "en", "en")).toEqual(["en"]);
  });

  it("group the voices: one's own first, those for any language last", () => {
    const voices = [{ id: "any", language: null }, ...VOICES, { id: "vega", language: "es" }];
    expect(voiceGroups(voices, "fr", "en").map(({ name }) => name)).toEqual([
      "French",
      "English",
      "Spanish",
      null,
    ]);
  });

  it("have something to say as a sample", () => {
    expect(sampleText("fr")).toContain("Bonjour");
    expect(sampleText("pt-BR")).toContain("Olá");
    expect(sampleText("xx")).toBe(sampleText(null));
    expect(sampleText(null)).toContain("Hello");
  });
});

describe("what else is shown", () => {
  it("gives sizes in two digits or so", () => {
    expect(sizeText(145_000_000, "en")).toBe("145 MB");
    expect(sizeText(1_640_000_000, "en")).toBe("1.6 GB");
    expect(sizeText(0, "en")).toBe("0 byte");
  });

  it("sorts devices, without the browser's doubles", () => {
    const told = [
      { kind: "audioinput", deviceId: "default", label: "Default - Desk" },
      { kind: "audioinput", deviceId: "m1", label: "Desk" },
      { kind: "videoinput", deviceId: "v1", label: "Camera" },
      { kind: "audiooutput", deviceId: "s1", label: "Loud" },
    ] as const;
    expect(sortDevices(told)).toEqual({
      microphones: [{ id: "m1", label: "Desk" }],
      speakers: [{ id: "s1", label: "Loud" }],
      hasNames: true,
    });
    expect(sortDevices([{ kind: "audioinput", deviceId: "", label: "" }])).toEqual({
      microphones: [],
      speakers: [],
      hasNames: false,
    });
  });
});

describe("what a server does not have", () => {
  const offer = { voices: VOICES, languages: ["en"], models: ["a", "b"], mcp: "none" } as unknown as Offer;
  const wanted = { ...DEFAULT_SETTINGS, voice: "elsewhere", language: "fr", model: "c", speed: 1.2 };

  it("is not asked of it", () => {
    const left = { voice: null, language: null, model: null, areToolsOn: false, speed: 1.2 };
    expect(fitting(wanted, offer)).toMatchObject(left);
    const there = { ...wanted, voice: "heart", language: "en", model: "b" };
    expect(fitting(there, offer)).toEqual({ ...there, areToolsOn: false });
  });

  it("is left to the server where it does not tell", () => {
    expect(fitting(wanted, null)).toBe(wanted);
    expect(fitting(wanted, { ...offer, languages: [] }).language).toBe("fr");
    expect([dependsOnOffer(wanted), dependsOnOffer(DEFAULT_SETTINGS)]).toEqual([true, false]);
  });
});

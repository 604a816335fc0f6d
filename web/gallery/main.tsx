import { KeptConversations, KeyRing, phaseOf } from "duologue-client";
import { render } from "preact";
import { PANELS, type PanelName } from "../src/view/header";
import { Page } from "../src/view/page";
import { Prefs, type Theme } from "../src/view/prefs";
import { applyTheme } from "../src/view/theme";
import { Actor } from "./actor";
import { fill } from "./events";
import { offer, server } from "./offer";
import { STATES } from "./states";

const asked = new URLSearchParams(location.search);
const actor = new Actor(STATES[asked.get("state") ?? "idle"] ?? (STATES.idle as never));
if (actor.state.entries.length > 0) fill(actor.log);
const phase = phaseOf(actor.state);
if (phase === "speaking") actor.speak("assistant");
if (["hearing", "interrupted", "listening"].includes(phase)) actor.speak("user");
if (asked.has("push")) actor.useDevices({ ...actor.devices, isPushToTalk: true });

const prefs = new Prefs(null, null);
const theme = asked.get("theme") as Theme | null;
if (theme) applyTheme(theme);
// For whoever tries things by hand, or measures.
Object.assign(globalThis, { actor });
globalThis.fetch = server;

const panel = PANELS.find((name) => name === asked.get("panel")) as PanelName | undefined;
const keys = new KeyRing();
render(
  <Page
    talk={actor}
    kept={new KeptConversations("http://gallery.invalid/", () => null)}
    keys={keys}
    base="http://gallery.invalid/"
    prefs={prefs}
    loadOffer={async () => offer}
    {...(panel ? { opened: panel } : {})}
  />,
  document.body,
);

import {
  askedTransport,
  Conversation,
  fetchOffer,
  KeptConversations,
  KeptTrouble,
  KeyRing,
} from "duologue-client";
import { render } from "preact";
import { ServerAway } from "./view/away";
import { Page } from "./view/page";
import { Prefs, storeOf } from "./view/prefs";
import { registerWorker } from "./view/pwa";
import { applyTheme } from "./view/theme";

const prefs = new Prefs(storeOf("localStorage"), storeOf("sessionStorage"));
applyTheme(prefs.look.theme);

const base = document.baseURI;
const keys = new KeyRing();
const talk = new Conversation({ base, keys, asked: askedTransport(location.search) });
talk.configure(prefs.settings);
talk.useDevices(prefs.devices);

let shownId = prefs.conversationId;

function remember(): void {
  const { conversationId, isKept } = talk.state;
  const id = isKept ? conversationId : null;
  if (id !== shownId) prefs.conversationId = shownId = id;
}

// A server that starts anew is back within seconds.
const AGAIN_MS = 3000;

/** While the server is away, what this tab showed is neither forgotten nor replaced: it is shown once it answers. */
async function resume(): Promise<void> {
  const isUntouched = () => talk.state.link === "idle" && talk.state.conversationId === null;
  while (shownId !== null && isUntouched()) {
    try {
      await talk.show(shownId);
      break;
    } catch (error) {
      if (!(error instanceof KeptTrouble) || error.kind !== "away") break;
      await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
    }
  }
  talk.watch(remember);
}

let { devices } = talk;
talk.watch(() => {
  if (talk.devices !== devices) prefs.devices = devices = talk.devices;
});
addEventListener("pagehide", () => talk.end());
void resume();
render(
  <>
    <ServerAway base={base} />
    <Page
      talk={talk}
      kept={new KeptConversations(base, () => keys.key)}
      keys={keys}
      base={base}
      prefs={prefs}
      loadOffer={() => fetchOffer(base, keys.key)}
    />
  </>,
  document.body,
);
registerWorker(base);

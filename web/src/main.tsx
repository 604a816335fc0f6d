import { render } from "preact";
import { Conversation } from "./realtime/conversation";
import { askedTransport } from "./realtime/fallback";
import { KeyRing } from "./realtime/key";
import { Page } from "./view/page";

const conversation = new Conversation({
  base: document.baseURI,
  keys: new KeyRing(),
  asked: askedTransport(location.search),
});
addEventListener("pagehide", () => conversation.end());
render(<Page conversation={conversation} />, document.body);

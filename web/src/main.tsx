import { askedTransport, Conversation, KeyRing } from "duologue-client";
import { render } from "preact";
import { Page } from "./view/page";

const conversation = new Conversation({
  base: document.baseURI,
  keys: new KeyRing(),
  asked: askedTransport(location.search),
});
addEventListener("pagehide", () => conversation.end());
render(<Page conversation={conversation} />, document.body);

import { render } from "preact";
import { Conversation } from "./realtime/conversation";
import { takeKey } from "./realtime/key";
import { Page } from "./view/page";

const conversation = new Conversation(document.baseURI, takeKey());
addEventListener("pagehide", () => conversation.end());
render(<Page conversation={conversation} />, document.body);

import { render } from "preact";
import { KeyRing } from "../realtime/key";
import { OpsPage } from "./page";
import { Poll } from "./poll";

const poll = new Poll(new KeyRing());
render(<OpsPage poll={poll} />, document.body);
void poll.run();

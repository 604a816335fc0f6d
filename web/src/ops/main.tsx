import { KeyRing } from "duologue-client";
import { render } from "preact";
import { OpsPage } from "./page";
import { Poll } from "./poll";

const poll = new Poll(new KeyRing());
render(<OpsPage poll={poll} />, document.body);
void poll.run();

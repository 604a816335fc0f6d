import { KeyRing } from "duologue-client";
import { render } from "preact";
import { Prefs, storeOf } from "../view/prefs";
import { applyTheme } from "../view/theme";
import { OpsPage } from "./page";
import { Poll } from "./poll";

applyTheme(new Prefs(storeOf("localStorage"), null).look.theme);
const poll = new Poll(new KeyRing());
render(<OpsPage poll={poll} />, document.body);
void poll.run();

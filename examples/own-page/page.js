import { askedTransport, Conversation, KeyRing, phaseOf, split } from "./node_modules/duologue-client/dist/index.js";

const address = new URLSearchParams(location.search);
const base = address.get("server") ?? "http://127.0.0.1:8710/";
const talk = new Conversation({ base, keys: new KeyRing(), asked: askedTransport(location.search) });
const [button, status, words] = ["button", "p", "ol"].map((name) => document.querySelector(name));
const isUnderWay = () => !["idle", "ended", "failed"].includes(talk.state.link);

function line(entry) {
  const { heard, unheard } = split(entry);
  const item = Object.assign(document.createElement("li"), { className: entry.role, textContent: heard });
  // An answer that was cut short shows what of it was never heard.
  if (unheard && entry.status === "interrupted") item.appendChild(document.createElement("s")).textContent = unheard;
  return item;
}

button.onclick = () => (isUnderWay() ? talk.end() : talk.start());
talk.watch(() => {
  button.textContent = isUnderWay() ? "Stop" : "Talk";
  status.textContent = talk.state.trouble?.kind ?? phaseOf(talk.state);
  words.replaceChildren(...talk.state.entries.map(line));
});

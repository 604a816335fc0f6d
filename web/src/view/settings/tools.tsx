/** The tools that the assistant may use: MCP servers, which the server calls. */

import type { Offer, ToolServer } from "duologue-client";
import { useRef, useState } from "preact/hooks";
import { words } from "../../words";
import { useFocusBack } from "../conversations/use-focus-back";
import { Section, Switch } from "./controls";
import { ToolForm } from "./tool-form";
import type { Draft } from "./use-draft";

interface ToolsProps {
  draft: Draft;
  mcp: Offer["mcp"];
}

export function ToolsSection({ draft, mcp }: ToolsProps) {
  const { tools, toolsOn, toolsRefused, toolsSetting, toolServersHint } = words.settings;
  const { areToolsOn } = draft.settings;
  if (mcp === "none") {
    return (
      <Section title={tools}>
        <p class="field-note">{toolsRefused}</p>
        <pre>{toolsSetting}</pre>
      </Section>
    );
  }
  return (
    <Section title={tools}>
      <Switch
        label={toolsOn}
        hint={toolServersHint}
        isOn={areToolsOn}
        set={(isOn) => draft.set({ areToolsOn: isOn })}
      />
      {areToolsOn && <ToolServers draft={draft} mcp={mcp} />}
    </Section>
  );
}

function ToolServers({ draft, mcp }: ToolsProps) {
  const [isAdding, setAdding] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  useFocusBack(isAdding, button);
  const { toolServers } = draft.settings;
  const put = (changed: readonly ToolServer[]) => draft.set({ toolServers: changed });
  const edit = (label: string, change: Partial<ToolServer>) =>
    put(toolServers.map((each) => (each.label === label ? { ...each, ...change } : each)));
  const add = (server: ToolServer) => {
    setAdding(false);
    put([...toolServers, server]);
  };
  return (
    <>
      {toolServers.length === 0 && !isAdding && <p class="field-note">{words.settings.noToolServers}</p>}
      <ul class="tool-servers" aria-label={words.settings.toolServers}>
        {toolServers.map((server) => (
          <ToolRow
            key={server.label}
            server={server}
            edit={(change) => edit(server.label, change)}
            remove={() => {
              put(toolServers.filter((each) => each !== server));
              button.current?.focus();
            }}
          />
        ))}
      </ul>
      {isAdding ? (
        <ToolForm others={toolServers} mcp={mcp} add={add} cancel={() => setAdding(false)} />
      ) : (
        <button ref={button} type="button" class="small-button" onClick={() => setAdding(true)}>
          {words.settings.addTool}
        </button>
      )}
    </>
  );
}

interface RowProps {
  server: ToolServer;
  edit(change: Partial<ToolServer>): void;
  remove(): void;
}

function ToolRow({ server, edit, remove }: RowProps) {
  const { label, url, isOn, asksFirst } = server;
  const text = words.settings;
  return (
    <li class="tool-server">
      <Switch label={label} name={text.toolUse(label)} isOn={isOn} set={(on) => edit({ isOn: on })} />
      <p class="tool-url">{url}</p>
      <div class="tool-server-foot">
        <label class="check">
          <input
            type="checkbox"
            checked={asksFirst}
            aria-label={text.asksFirstOf(label)}
            onChange={(event) => edit({ asksFirst: event.currentTarget.checked })}
          />
          {text.asksFirst}
        </label>
        <button
          type="button"
          class="small-button quiet danger"
          aria-label={text.removeTool(label)}
          onClick={remove}
        >
          {text.remove}
        </button>
      </div>
    </li>
  );
}

/** Which events are shown. */

import { words } from "../../words";
import { type Filter, GROUPS, type Group } from "./kinds";

const DIRECTIONS = ["both", "client", "server"] as const;

interface FilterFormProps {
  filter: Filter;
  change(filter: Filter): void;
}

export function FilterForm({ filter, change }: FilterFormProps) {
  const { filterHint, directions } = words.developer;
  return (
    <form class="developer-filter" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        aria-label={words.developer.filter}
        placeholder={filterHint}
        autocomplete="off"
        spellcheck={false}
        value={filter.text}
        onInput={(event) => change({ ...filter, text: event.currentTarget.value })}
      />
      <select
        aria-label={words.developer.direction}
        value={filter.from}
        onChange={(event) => change({ ...filter, from: event.currentTarget.value as Filter["from"] })}
      >
        {DIRECTIONS.map((name) => (
          <option key={name} value={name}>
            {directions[name]}
          </option>
        ))}
      </select>
      <fieldset>
        <legend class="aside">{words.developer.kinds}</legend>
        {GROUPS.map((group) => (
          <label key={group}>
            <input
              type="checkbox"
              checked={!filter.hidden.has(group)}
              onChange={() => change({ ...filter, hidden: toggled(filter.hidden, group) })}
            />
            <span>{words.developer.groups[group]}</span>
          </label>
        ))}
      </fieldset>
    </form>
  );
}

function toggled(hidden: ReadonlySet<Group>, group: Group): ReadonlySet<Group> {
  const next = new Set(hidden);
  if (!next.delete(group)) next.add(group);
  return next;
}

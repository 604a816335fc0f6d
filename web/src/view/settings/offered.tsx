/** What the server runs: each model with what it is for, its licence and its size. */

import type { Offer, OfferedEngine } from "duologue-client";
import { words } from "../../words";
import { locale } from "../conversations/reader";
import { Section } from "./controls";
import { sizeText } from "./sizes";

export function Offered({ offer }: { offer: Offer }) {
  return (
    <Section title={words.settings.offered}>
      <ul class="engines">
        {offer.engines.map((each) => (
          <Engine key={`${each.engine} ${each.stages}`} each={each} />
        ))}
      </ul>
      <p class="field-note">{words.settings.version(offer.version, offer.profile)}</p>
    </Section>
  );
}

function Engine({ each }: { each: OfferedEngine }) {
  const { stages, engine, licence, size, unknown } = words.settings;
  const uses = each.stages.map((stage) => stages[stage] ?? stage).join(", ");
  return (
    <li>
      <p class="engine-use">{uses}</p>
      <p class="engine-model">{each.model ?? each.engine}</p>
      <p class="engine-facts">
        {each.model && each.model !== each.engine && <span>{engine(each.engine)}</span>}
        <span>
          <span class="aside">{`${licence}: `}</span>
          {each.licence ?? `${licence} ${unknown}`}
        </span>
        {each.sizeBytes !== null && (
          <span>
            <span class="aside">{`${size}: `}</span>
            {sizeText(each.sizeBytes, locale)}
          </span>
        )}
      </p>
    </li>
  );
}

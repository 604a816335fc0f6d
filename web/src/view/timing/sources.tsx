/** The page's figure beside the server's, and what lies between them. */

import type { Entries, TurnTiming } from "duologue-client";
import { totalMs } from "duologue-client";
import { words } from "../../words";
import { type Difference, differenceOf, isRestored, isTyped } from "./figures";

export function Sources({ timing, entries }: { timing: TurnTiming; entries: Entries }) {
  const { sources, pageSays, serverSays, none, ms } = words.waterfall;
  const { server, page } = timing;
  if (!server && !page) return null;
  return (
    <div class="timing-sources">
      <h4>{sources}</h4>
      <dl>
        <div>
          <dt>{pageSays}</dt>
          <dd>{page ? ms(totalMs(timing) ?? 0) : none}</dd>
        </div>
        <div>
          <dt>{serverSays}</dt>
          <dd>{server ? ms(Math.round(server.sentMs)) : none}</dd>
        </div>
      </dl>
      <p>{explained(timing, isRestored(timing, entries))}</p>
    </div>
  );
}

export function explained(timing: TurnTiming, isOpenedAgain: boolean): string {
  const { difference, serverOnly, pageOnly, typedOnly, restored, unheard, ms } = words.waterfall;
  const apart = differenceOf(timing);
  if (apart) return difference(ms(apart.pageMs), ms(apart.serverMs), partsOf(apart));
  if (isTyped(timing)) return typedOnly(ms(totalMs(timing) ?? 0));
  return timing.server
    ? `${serverOnly(ms(Math.round(timing.server.sentMs)))} ${isOpenedAgain ? restored : unheard}`
    : pageOnly(ms(totalMs(timing) ?? 0));
}

function partsOf({ networkMs, bufferMs, endEarlierMs }: Difference): string[] {
  const { uplink, device, endEarlier, endLater, ms } = words.waterfall;
  const parts = [uplink(ms(networkMs)), device(ms(bufferMs))];
  if (endEarlierMs > 0) parts.push(endEarlier(ms(endEarlierMs)));
  if (endEarlierMs < 0) parts.push(endLater(ms(-endEarlierMs)));
  return parts;
}

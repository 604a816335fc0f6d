/** The page's figure beside the server's, and what lies between them. */

import type { TurnTiming } from "duologue-client";
import { totalMs } from "duologue-client";
import { words } from "../../words";
import { type Difference, differenceOf } from "./figures";

export function Sources({ timing }: { timing: TurnTiming }) {
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
      <p>{explained(timing)}</p>
    </div>
  );
}

export function explained(timing: TurnTiming): string {
  const { difference, serverOnly, pageOnly, ms } = words.waterfall;
  const apart = differenceOf(timing);
  if (apart) return difference(ms(apart.pageMs), ms(apart.serverMs), partsOf(apart));
  return timing.server
    ? serverOnly(ms(Math.round(timing.server.sentMs)))
    : pageOnly(ms(totalMs(timing) ?? 0));
}

function partsOf({ networkMs, bufferMs, endEarlierMs }: Difference): string[] {
  const { uplink, device, endEarlier, endLater, ms } = words.waterfall;
  const parts = [uplink(ms(networkMs)), device(ms(bufferMs))];
  if (endEarlierMs > 0) parts.push(endEarlier(ms(endEarlierMs)));
  if (endEarlierMs < 0) parts.push(endLater(ms(-endEarlierMs)));
  return parts;
}

/** Says that the server is away where the page itself was kept on the device, until the server answers. */

import { useEffect, useState } from "preact/hooks";
import { words } from "../words";
import "./away.css";
import { isThere } from "./pwa";

const AGAIN_MS = 5000;

export function ServerAway({ base }: { base: string }) {
  const [isAway, tell] = useState(false);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isOver = false;
    const ask = async () => {
      clearTimeout(timer);
      const answers = await isThere(base);
      if (isOver) return;
      tell(!answers);
      if (answers) removeEventListener("online", ask);
      else timer = setTimeout(ask, AGAIN_MS);
    };
    addEventListener("online", ask);
    void ask();
    return () => {
      isOver = true;
      clearTimeout(timer);
      removeEventListener("online", ask);
    };
  }, [base]);
  return (
    <div role="alert">
      {isAway && (
        <div class="away">
          <p class="away-title">{words.away.title}</p>
          <p>{words.away.hint}</p>
        </div>
      )}
    </div>
  );
}

/** A question that was answered takes its buttons away, and the focus with them: it goes back to where it came from. */

import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";

export function useFocusBack(isOpen: boolean, origin: RefObject<HTMLElement | null>): void {
  const wasOpen = useRef(isOpen);
  useEffect(() => {
    const hasClosed = wasOpen.current && !isOpen;
    wasOpen.current = isOpen;
    if (hasClosed && document.activeElement === document.body) origin.current?.focus();
  }, [isOpen, origin]);
}

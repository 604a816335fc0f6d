/** A component that is drawn anew only where its props say so. */

import { Component, type ComponentChild, type FunctionComponent } from "preact";

export function memo<P>(
  draw: (props: P) => ComponentChild,
  isSame: (before: P, after: P) => boolean,
): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: P): boolean {
      return !isSame(this.props as P, next);
    }

    override render(): ComponentChild {
      return draw(this.props as P);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}

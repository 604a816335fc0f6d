/** One WebSocket to `/v1/realtime`: JSON events both ways. */

import { type ClientEvent, type ServerEvent, sessionAddress } from "./events";
import { withTicket } from "./line";
import type { Failure, TransportOptions } from "./transport";

type Way = Pick<TransportOptions, "base" | "key" | "ticket" | "conversation">;

export interface SocketEvents {
  event(event: ServerEvent): void;
  passed(from: "client" | "server", event: ClientEvent | ServerEvent): void;
  /** The socket is gone, and not because we closed it. */
  gone(failure: Failure): void;
}

export class RealtimeSocket {
  readonly #socket: WebSocket;
  readonly #events: SocketEvents;
  #wasOpen = false;

  /** Throws a SyntaxError if the key holds a sign that no subprotocol's name may hold. */
  constructor({ base, key, ticket, conversation }: Way, events: SocketEvents) {
    this.#events = events;
    const url = withTicket(sessionAddress(base, "v1/realtime", conversation), ticket);
    url.protocol = url.protocol.replace("http", "ws");
    const protocols = key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"];
    this.#socket = new WebSocket(url, protocols);
    this.#socket.onopen = () => {
      this.#wasOpen = true;
    };
    this.#socket.onmessage = ({ data }) => {
      const event: ServerEvent = JSON.parse(data);
      events.passed("server", event);
      events.event(event);
    };
    this.#socket.onclose = ({ code, reason }) =>
      events.gone({ kind: "closed", code, reason, wasOpen: this.#wasOpen });
  }

  send(event: ClientEvent): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return;
    this.#events.passed("client", event);
    this.#socket.send(JSON.stringify(event));
  }

  /** Bytes that the network has not taken yet. */
  get backlogBytes(): number {
    return this.#socket.bufferedAmount;
  }

  close(): void {
    this.#socket.onmessage = null;
    this.#socket.onclose = null;
    this.#socket.close(1000);
  }
}

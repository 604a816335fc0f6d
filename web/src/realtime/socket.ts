/** One WebSocket to `/v1/realtime`: JSON events both ways. */

import type { ClientEvent, ServerEvent } from "./events";

export interface SocketEvents {
  event(event: ServerEvent): void;
  /** The socket is gone, and not because we closed it. `wasOpen` is false if it never opened. */
  gone(code: number, reason: string, wasOpen: boolean): void;
}

export class RealtimeSocket {
  readonly #socket: WebSocket;
  #wasOpen = false;

  constructor(base: string, key: string | null, events: SocketEvents) {
    const url = new URL("v1/realtime?model=duologue", base);
    url.protocol = url.protocol.replace("http", "ws");
    const protocols = key ? ["realtime", `openai-insecure-api-key.${key}`] : ["realtime"];
    this.#socket = new WebSocket(url, protocols);
    this.#socket.onopen = () => {
      this.#wasOpen = true;
    };
    this.#socket.onmessage = ({ data }) => events.event(JSON.parse(data));
    this.#socket.onclose = ({ code, reason }) => events.gone(code, reason, this.#wasOpen);
  }

  send(event: ClientEvent): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(event));
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

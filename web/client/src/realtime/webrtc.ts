/** Talk over WebRTC: sound as media, events on a data channel. The server keeps account of what was heard. */

import type { Metered } from "../audio/messages";
import type { RemoteVoice } from "../audio/remote-voice";
import { receivedPackets, sentMs } from "../audio/sent";
import { type Close, loadMeter, meter } from "../audio/tap";
import type { ClientEvent, ServerEvent, WireError } from "./events";
import { Onset } from "./onset";
import { Pace } from "./pace";
import { BEAT_MS, Pulse } from "./pulse";
import { answers, exchange, hangUp } from "./signalling";
import { type Failure, type Transport, TransportError, type TransportOptions } from "./transport";

// Host candidates are there in a few ms; a slow interface is not waited for.
const GATHER_MS = 1000;
const CONNECT_MS = 3000;
// Wi-Fi that changes its access point comes back within this; a talk is not silent for longer.
const OUTAGE_MS = 4000;
const PROGRESS_MS = 100;

export class WebRtcTransport implements Transport {
  readonly kind = "webrtc";
  readonly #options: TransportOptions;
  readonly #voice: RemoteVoice;
  readonly #pace = new Pace();
  #microphone: MediaStream | null;
  #peer: RTCPeerConnection | null = null;
  #channel: RTCDataChannel | null = null;
  #callId: string | null = null;
  #sender: RTCRtpSender | null = null;
  #closeTap: Close | null = null;
  #closeVoice: Close | null = null;
  #progress = 0;
  #beat = 0;
  #outage = 0;
  #isConnected = false;
  #isGreeted = false;
  #isClosed = false;
  #isUnderWay = false;
  readonly #onset = new Onset();
  #lastError: { code?: string; message?: string } = {};
  #settle: (failure: Failure | null) => void = () => {};

  /** `voice` plays what comes; it is closed with the transport. */
  constructor(options: TransportOptions, voice: RemoteVoice) {
    this.#options = options;
    this.#microphone = options.microphone;
    this.#voice = voice;
  }

  async connect(): Promise<void> {
    const { context } = this.#options;
    const peer = this.#open();
    await loadMeter(context);
    await peer.setLocalDescription();
    await gathered(peer);
    if (this.#isClosed) return;
    const answer = await exchange(this.#options, peer.localDescription?.sdp ?? "");
    this.#callId = answer.callId;
    if (this.#isClosed) return this.close();
    await Promise.all([this.#greeting(), accept(peer, answer.sdp)]);
  }

  send(event: ClientEvent): void {
    if (this.#channel?.readyState !== "open") return;
    this.#options.events.passed("client", event);
    this.#channel.send(JSON.stringify(event));
  }

  /** The server truncates what it did not play to the end: it alone knows how much that is. */
  async interrupt(): Promise<void> {
    if (this.#isUnderWay) this.send({ type: "response.cancel" });
    if (this.#isUnderWay || this.#pace.isPlaying) this.send({ type: "output_audio_buffer.clear" });
  }

  async listenTo(microphone: MediaStream | null): Promise<void> {
    await this.#sender?.replaceTrack(microphone?.getAudioTracks()[0] ?? null);
    if (this.#isConnected) this.#meterMicrophone(microphone);
    else this.#microphone = microphone;
  }

  setVolume(volume: number): void {
    this.#voice.setVolume(volume);
  }

  setSink(deviceId: string | null): Promise<void> {
    return this.#voice.setSink(deviceId);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#progress);
    clearInterval(this.#beat);
    clearTimeout(this.#outage);
    this.#closeTap?.();
    this.#closeVoice?.();
    this.#voice.close();
    this.#channel?.close();
    this.#peer?.close();
    const callId = this.#callId;
    this.#callId = null;
    if (callId) await hangUp(this.#options.base, this.#options.key, callId);
  }

  #open(): RTCPeerConnection {
    const peer = newPeer();
    this.#peer = peer;
    this.#channel = peer.createDataChannel("oai-events");
    this.#channel.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#channel.onclose = () => this.#lose({ kind: "ended", ...this.#lastError });
    peer.onconnectionstatechange = () => this.#follow(peer.connectionState);
    peer.ontrack = ({ track, receiver }) => this.#listen(track, receiver);
    const [track] = this.#microphone?.getAudioTracks() ?? [];
    if (track) this.#sender = peer.addTrack(track, this.#microphone as MediaStream);
    else peer.addTransceiver("audio", { direction: "recvonly" });
    return peer;
  }

  /** Resolves with the server's first event, which shows that both directions stand. */
  #greeting(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#settle({ kind: "no-path" }), CONNECT_MS);
      this.#settle = (failure) => {
        clearTimeout(timer);
        if (failure) reject(new TransportError(failure));
        else resolve();
      };
    });
  }

  #follow(state: RTCPeerConnectionState): void {
    clearTimeout(this.#outage);
    if (state === "connected" && !this.#isConnected) this.#startMicrophone();
    else if (state === "disconnected") {
      this.#outage = setTimeout(() => this.#lose({ kind: "broken" }), OUTAGE_MS);
    } else if (state === "failed") this.#lose({ kind: this.#isGreeted ? "broken" : "no-path" });
  }

  /** The server counts the user's time from the first packets, which leave now. */
  #startMicrophone(): void {
    this.#isConnected = true;
    this.#meterMicrophone(this.#microphone);
  }

  #meterMicrophone(microphone: MediaStream | null): void {
    const { context, events } = this.#options;
    this.#closeTap?.();
    this.#closeTap = null;
    if (!microphone || this.#isClosed) return;
    this.#closeTap = meter(context, microphone, ({ rms, endS }) => events.spoke(rms, endS));
  }

  #listen(track: MediaStreamTrack, receiver: RTCRtpReceiver): void {
    if (this.#isClosed) return;
    this.#watch(receiver);
    this.#voice.add(track);
    const { context, events } = this.#options;
    const hear = ({ rms, onsetS }: Metered) => {
      events.answer(rms);
      const begun = this.#onset.hear(onsetS);
      if (begun !== null) events.audible(begun.replyId, begun.atS + (context.outputLatency || 0));
    };
    this.#closeVoice = meter(context, new MediaStream([track]), hear);
  }

  #watch(receiver: RTCRtpReceiver): void {
    const pulse = new Pulse({
      received: () => receivedPackets(receiver),
      answers: () => answers(this.#options.base),
    });
    const beat = async () => (await pulse.beat()) && this.#lose({ kind: "broken" });
    const listen = () => {
      void beat();
      void this.#tellSent();
    };
    this.#beat = setInterval(listen, BEAT_MS);
  }

  #lose(failure: Failure): void {
    if (this.#isClosed) return;
    if (this.#isGreeted) {
      void this.close();
      this.#options.events.lost(failure);
    } else this.#settle(failure.kind === "ended" ? { kind: "no-path" } : failure);
  }

  #receive(event: ServerEvent): void {
    if (this.#isClosed) return;
    this.#options.events.passed("server", event);
    if (!this.#isGreeted) {
      this.#isGreeted = true;
      this.#settle(null);
    }
    const { events, context } = this.#options;
    events.event(event);
    switch (event.type) {
      case "response.created":
        this.#isUnderWay = true;
        break;
      case "response.output_audio_transcript.delta":
        this.#noteWords(event.response_id, event.item_id, event.delta);
        break;
      case "response.done":
        this.#isUnderWay = false;
        break;
      case "output_audio_buffer.started":
        events.arrived(event.response_id, context.currentTime);
        this.#onset.expect(event.response_id);
        this.#pace.started(event.response_id, performance.now());
        this.#followPlaying();
        break;
      case "output_audio_buffer.stopped":
        this.#pace.stopped(event.response_id, performance.now());
        this.#followPlaying();
        break;
      case "output_audio_buffer.cleared":
        this.#pace.cleared(event.response_id);
        this.#followPlaying();
        break;
      case "duologue.output_audio.held":
        this.#pace.held(event.response_id, performance.now());
        break;
      case "duologue.output_audio.lowered":
      case "duologue.output_audio.resumed":
        this.#pace.resumed(event.response_id, performance.now());
        break;
      case "error":
        this.#lastError = errorOf(event.error);
        break;
    }
  }

  /** It sets the server's count of the user's sound against ours. */
  async #tellSent(): Promise<void> {
    const sent = this.#sender && (await sentMs(this.#sender));
    if (!sent || this.#isClosed) return;
    this.#options.events.sent(sent.ms, this.#options.context.currentTime - sent.ageMs / 1000);
  }

  #noteWords(responseId: string, itemId: string, text: string): void {
    const ms = this.#pace.words(responseId, itemId, text);
    this.#options.events.tell({ type: "page.sound", id: itemId, ms });
  }

  #followPlaying(): void {
    clearInterval(this.#progress);
    if (this.#pace.isPlaying) this.#progress = setInterval(() => this.#tellHeard(), PROGRESS_MS);
  }

  #tellHeard(): void {
    const heard = this.#pace.heard(performance.now());
    if (heard) this.#options.events.tell({ type: "page.heard", id: heard.itemId, ms: heard.ms });
  }
}

function errorOf({ code, message }: WireError): { code?: string; message?: string } {
  return code ? { code, message } : { message };
}

function newPeer(): RTCPeerConnection {
  try {
    // Server and page are on one network, or the server has a public address: no third party is asked.
    return new RTCPeerConnection({ iceServers: [] });
  } catch {
    throw new TransportError({ kind: "unsupported" });
  }
}

async function accept(peer: RTCPeerConnection, sdp: string): Promise<void> {
  try {
    await peer.setRemoteDescription({ type: "answer", sdp });
  } catch {
    throw new TransportError({ kind: "no-path" });
  }
}

/** All candidates go into the one offer; late ones are left out. */
function gathered(peer: RTCPeerConnection): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, GATHER_MS);
    const check = () => {
      if (peer.iceGatheringState !== "complete") return;
      clearTimeout(timer);
      resolve();
    };
    peer.addEventListener("icegatheringstatechange", check);
    check();
  });
}

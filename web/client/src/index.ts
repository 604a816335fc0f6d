/** Talk with a Duologue server from a page of one's own: everything but what is shown. */

export { LevelFollower } from "./audio/level";
export {
  Conversation,
  type ConversationOptions,
  type StartOptions,
  type Talk,
} from "./realtime/conversation";
export {
  type Entries,
  type Entry,
  type EntryRole,
  type Status,
  split,
  type ToolUse,
} from "./realtime/entries";
export type { ClientEvent, ServerEvent, WireItem } from "./realtime/events";
export { asJson, asText, asVtt } from "./realtime/export";
export { askedTransport, type FallbackReason } from "./realtime/fallback";
export {
  type Kept,
  KeptConversations,
  type KeptItem,
  type KeptPage,
  KeptTrouble,
} from "./realtime/kept";
export { bearer, fits, KeyRing } from "./realtime/key";
export type { Wait } from "./realtime/line";
export { EventLog, type LoggedEvent } from "./realtime/log";
export {
  fetchOffer,
  type Offer,
  type OfferedEngine,
  type OfferedVoice,
  type Persona,
} from "./realtime/offer";
export { reduce } from "./realtime/reduce";
export {
  DEFAULT_DEVICES,
  DEFAULT_SETTINGS,
  type DeviceSettings,
  type Patience,
  type Settings,
  sessionOf,
  type ToolServer,
} from "./realtime/settings";
export {
  type ConversationState,
  type DeviceNotice,
  type Happening,
  INITIAL,
  type LocalEvent,
  type Phase,
  phaseOf,
} from "./realtime/state";
export {
  type PageTiming,
  type ServerTiming,
  STAGES,
  type Stage,
  type StageName,
  stagesOf,
  type TurnTiming,
  totalMs,
} from "./realtime/timing";
export type { TransportKind } from "./realtime/transport";
export { isAboutKey, readError, type Trouble, type TroubleKind } from "./realtime/trouble";

"""What holds for the log of every talk, whatever happens in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from duologue.events import (
    Event,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    OverlapJudged,
    PlayoutCleared,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutResumed,
    PlayoutStarted,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyText,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    TurnCommitted,
)
from duologue.items import McpCall, Message

PCM_BYTES_PER_MS = 48
LONGEST_PIECE_MS = 200
# The server sends at most two seconds ahead of what is heard, and a piece on top.
LONGEST_LEAD_MS = 2_000 + LONGEST_PIECE_MS
# What tests give a reply outside the conversation.
ASIDE = {"aside": "yes"}
VERDICTS = {"interruption", "backchannel", "noise", "echo"}
LOUDNESS: dict[type[Event], str] = {PlayoutLowered: "lowered", PlayoutHeld: "held"}
REASONS: dict[str, set[str | None]] = {
    "completed": {None},
    "cancelled": {"turn_detected", "client_cancelled"},
    "failed": {None},
    "incomplete": {"max_output_tokens"},
}


@dataclass
class _Reply:
    is_aside: bool
    item_id: str | None = None
    is_item_done: bool = False
    text: str = ""
    sent_ms: float = 0.0
    first_sound_s: float = 0.0


@dataclass
class _Listening:
    """One reply at the loudspeaker. ``since_s``: when it was held."""

    loudness: str = "full"
    since_s: float | None = None
    held_s: float = 0.0
    is_over: bool = False


@dataclass
class _Log:
    """What has been said so far."""

    replies: dict[str, _Reply] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    items: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)
    committed: set[str] = field(default_factory=set)
    announced: list[str] = field(default_factory=list)
    turn: SpeechStarted | None = None
    shown: set[str] = field(default_factory=set)
    last_stop_ms: int = 0
    transcribed: set[str] = field(default_factory=set)
    listening: dict[str, _Listening] = field(default_factory=dict)


def check(log: Sequence[tuple[float, Event]], before: Iterable[str] = ()) -> None:
    """Raises AssertionError at the first event that may not come where it came. ``before``: items of an earlier
    session."""
    seen, last_s = _Log(items=set(before)), 0.0
    for at_s, event in log:
        assert at_s >= last_s, "time goes backwards"
        last_s = at_s
        _check_turn(seen, event)
        _check_item(seen, event)
        _check_listening(seen, event, at_s)
        _check_reply(seen, event, at_s)
    assert sum(not reply.is_aside for reply in seen.replies.values()) <= 1, "two replies are alive at the end"


def _check_turn(seen: _Log, event: Event) -> None:
    match event:
        case SpeechStarted():
            assert seen.turn is None, "speech started twice"
            assert event.at_ms >= seen.last_stop_ms, "speech started before the last one stopped"
            assert event.item_id not in seen.announced, "two turns of one item id"
            seen.announced.append(event.item_id)
            seen.turn = event
        case SpeechStopped():
            assert seen.turn is not None, "speech stopped that had not started"
            assert event.item_id == seen.turn.item_id, "another speech stopped than had started"
            assert event.at_ms >= seen.turn.at_ms, "speech stopped before it started"
            seen.turn, seen.last_stop_ms = None, event.at_ms
        case TurnCommitted():
            assert event.item_id not in seen.committed, "a turn was committed twice"
            assert seen.turn is None, "a turn was committed while speech goes on"
            seen.committed.add(event.item_id)
        case TranscriptDelta():
            # Where the client commits by hand nobody says that a turn has begun.
            by_hand = seen.turn is None and event.item_id not in seen.committed
            is_open = seen.turn is not None and event.item_id == seen.turn.item_id
            # Words may be known later than that the turn is over.
            is_late = event.item_id in seen.committed and event.item_id not in seen.transcribed
            assert by_hand or is_open or is_late, "words of a turn that is not open"
            seen.shown.add(event.item_id)
        case TranscriptDone() | TranscriptFailed():
            is_dropped = isinstance(event, TranscriptFailed) and event.item_id in seen.shown
            assert event.item_id in seen.committed or is_dropped, "the transcript of no turn"
            assert event.item_id not in seen.transcribed, "a turn was transcribed twice"
            seen.transcribed.add(event.item_id)


def _check_item(seen: _Log, event: Event) -> None:
    match event:
        case ItemAdded() | ReplyItemStarted():
            assert event.item.id not in seen.items | seen.deleted, "an item id came twice"
            assert event.previous_item_id in {None, *seen.items, *seen.deleted}, "an item after one that never was"
            seen.items.add(event.item.id)
        case ItemDone():
            assert event.item.id in seen.items, "the end of an item that was not added"
        case ItemDeleted():
            assert event.item_id in seen.items, "an item was deleted that is not there"
            seen.items.remove(event.item_id)
            seen.deleted.add(event.item_id)


def _check_listening(seen: _Log, event: Event, at_s: float) -> None:
    if isinstance(event, OverlapJudged):
        assert event.verdict in VERDICTS, f"no verdict: {event.verdict}"
        assert event.took_ms >= 0, "judged before it began"
        return
    if isinstance(event, PlayoutStarted):
        assert event.reply_id in {*seen.replies, *seen.ended}, "what nobody says is heard"
        assert event.reply_id not in seen.listening, "a reply began to sound twice"
        seen.listening[event.reply_id] = _Listening()
        return
    if not isinstance(event, PlayoutLowered | PlayoutHeld | PlayoutResumed | PlayoutCleared | PlayoutStopped):
        return
    name, listening = type(event).__name__, seen.listening.get(event.reply_id)
    # One that waits behind another may be cut off before it sounds.
    if listening is None and isinstance(event, PlayoutCleared):
        listening = seen.listening[event.reply_id] = _Listening()
    assert listening is not None, f"{name}, and nothing has sounded"
    assert not listening.is_over, f"{name}, and nothing sounds any more"
    loudness = LOUDNESS.get(type(event), "full")
    is_end = isinstance(event, PlayoutCleared | PlayoutStopped)
    assert is_end or loudness != listening.loudness, f"{name}, and so it was"
    if listening.since_s is not None:
        listening.held_s += at_s - listening.since_s
    listening.since_s = at_s if loudness == "held" else None
    listening.loudness, listening.is_over = loudness, is_end


def _check_reply(seen: _Log, event: Event, at_s: float) -> None:
    if isinstance(event, ReplyItemDone) and isinstance(event.item, McpCall):
        # A tool that this server calls may answer when the reply that called it is long over.
        return
    match event:
        case ReplyStarted():
            is_aside = not event.manner.in_conversation
            assert event.reply_id not in {*seen.replies, *seen.ended}, "a reply started twice"
            alone = is_aside or all(reply.is_aside for reply in seen.replies.values())
            assert alone, "two replies at once in the conversation"
            seen.replies[event.reply_id] = _Reply(is_aside)
        case ReplyItemStarted() | ReplyText() | ReplyAudio() | ReplyItemDone() | ReplyDone():
            reply = seen.replies.get(event.reply_id)
            assert reply is not None, f"{type(event).__name__} outside its reply"
            _check_part(reply, event)
            if isinstance(event, ReplyAudio):
                _check_sound(reply, seen.listening.get(event.reply_id, _Listening()), event, at_s)
            if isinstance(event, ReplyDone):
                seen.ended.add(event.reply_id)
                del seen.replies[event.reply_id]


def _check_part(reply: _Reply, event: ReplyItemStarted | ReplyText | ReplyAudio | ReplyItemDone | ReplyDone) -> None:
    match event:
        case ReplyItemStarted():
            assert reply.item_id is None or reply.is_item_done, "an item within another one"
            assert event.in_conversation != reply.is_aside
            reply.item_id, reply.is_item_done, reply.text = event.item.id, isinstance(event.item, McpCall), ""
        case ReplyText() | ReplyAudio():
            assert event.item_id == reply.item_id, "a delta of another item"
            assert not reply.is_item_done, "a delta after the end of its item"
            reply.text += event.text if isinstance(event, ReplyText) else ""
        case ReplyItemDone():
            assert event.item.id == reply.item_id, "the end of another item"
            said = event.item.parts[0].text if isinstance(event.item, Message) else ""
            assert said == reply.text, "an item's text is not what was said"
            reply.is_item_done = True
        case ReplyDone():
            assert reply.is_item_done == (reply.item_id is not None), "a reply is over and its item is not"
            assert event.reason in REASONS[event.status], f"{event.status} for {event.reason}"
            assert (event.error_code is not None) == (event.status == "failed")
            wanted = "completed" if event.status == "completed" else "incomplete"
            statuses = [item.status for item in event.output if isinstance(item, Message)]
            assert set(statuses[:-1]) <= {"completed"}, "an earlier message of a reply was not ended"
            assert set(statuses[-1:]) <= {wanted, "completed"}, f"an item of a reply that is {event.status}"


def _check_sound(reply: _Reply, listening: _Listening, event: ReplyAudio, at_s: float) -> None:
    length_ms = len(event.pcm) / PCM_BYTES_PER_MS
    assert 0 < length_ms <= LONGEST_PIECE_MS, f"a piece of {length_ms:.0f} ms"
    assert listening.loudness == "full", f"sound was sent of a reply that is {listening.loudness}"
    if not reply.sent_ms:
        reply.first_sound_s = at_s
    reply.sent_ms += length_ms
    lead_ms = reply.sent_ms - (at_s - reply.first_sound_s - listening.held_s) * 1000
    assert lead_ms <= LONGEST_LEAD_MS, f"sent {lead_ms:.0f} ms ahead of the hearing"

"""What the session says, as exact frames."""

from __future__ import annotations

from typing import Any

import pytest

from duologue.events import (
    AttemptEnded,
    AudioCleared,
    ContextTrimmed,
    Event,
    Failed,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    OverlapJudged,
    PlayoutHeld,
    PlayoutLowered,
    PlayoutResumed,
    ReplyAudio,
    ReplyDone,
    ReplyItemDone,
    ReplyItemStarted,
    ReplyManner,
    ReplyStarted,
    ReplyText,
    ReplyTimed,
    SpeechStarted,
    SpeechStopped,
    TranscriptDelta,
    TranscriptDone,
    TranscriptFailed,
    TurnCommitted,
)
from duologue.items import Message, Part, SessionConfig, Usage
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from tests.protocols.exchange import Frame, protocol, said

PLACE = {"response_id": "r1", "item_id": "a1", "output_index": 0, "content_index": 0}
TURN = Message(id="u1", role="user", parts=(Part(kind="input_audio"),))
TURN_SHOWN = {
    "id": "u1",
    "object": "realtime.item",
    "type": "message",
    "status": "completed",
    "role": "user",
    "content": [{"type": "input_audio", "transcript": None}],
}
TRANSCRIPTION = "conversation.item.input_audio_transcription"


MANNER = ReplyManner(modality="audio", voice="tone", metadata={"k": "v"})


def _answer(kind: str, text: str, status: str) -> Message:
    return Message(id="a1", role="assistant", parts=(Part(kind=kind, text=text),), status=status)  # type: ignore[arg-type]


def _shown(status: str, content: list[Frame]) -> Frame:
    return {
        "id": "a1",
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": content,
    }


@pytest.mark.parametrize(
    ("event", "frame"),
    [
        (
            SpeechStarted(item_id="u1", at_ms=40),
            {"type": "input_audio_buffer.speech_started", "audio_start_ms": 40, "item_id": "u1"},
        ),
        (
            SpeechStopped(item_id="u1", at_ms=90),
            {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 90, "item_id": "u1"},
        ),
        (
            TurnCommitted(item_id="u1", previous_item_id=None),
            {"type": "input_audio_buffer.committed", "item_id": "u1", "previous_item_id": None},
        ),
        (AudioCleared(), {"type": "input_audio_buffer.cleared"}),
        (
            ItemAdded(item=TURN, previous_item_id="z"),
            {"type": "conversation.item.added", "previous_item_id": "z", "item": TURN_SHOWN},
        ),
        (
            ItemDone(item=TURN, previous_item_id=None),
            {"type": "conversation.item.done", "previous_item_id": None, "item": TURN_SHOWN},
        ),
        (ItemDeleted(item_id="u1"), {"type": "conversation.item.deleted", "item_id": "u1"}),
        (ItemRetrieved(item=TURN), {"type": "conversation.item.retrieved", "item": TURN_SHOWN}),
        (
            ItemTruncated(item_id="a1", audio_end_ms=70),
            {"type": "conversation.item.truncated", "item_id": "a1", "content_index": 0, "audio_end_ms": 70},
        ),
        (
            TranscriptDelta(item_id="u1", text="hel"),
            {"type": f"{TRANSCRIPTION}.delta", "item_id": "u1", "content_index": 0, "delta": "hel"},
        ),
        (
            TranscriptDone(item_id="u1", text="hello", audio_s=1.23456),
            {
                "type": f"{TRANSCRIPTION}.completed",
                "item_id": "u1",
                "content_index": 0,
                "transcript": "hello",
                "usage": {"type": "duration", "seconds": 1.235},
            },
        ),
        (
            TranscriptFailed(item_id="u1", code="engine_lost", message="Gone."),
            {
                "type": f"{TRANSCRIPTION}.failed",
                "item_id": "u1",
                "content_index": 0,
                "error": {"type": "server_error", "code": "engine_lost", "message": "Gone."},
            },
        ),
        (
            ReplyText(reply_id="r1", item_id="a1", text="hi"),
            {"type": "response.output_audio_transcript.delta", **PLACE, "delta": "hi"},
        ),
        (
            ReplyText(reply_id="r1", item_id="a1", text="hi", is_spoken=False),
            {"type": "response.output_text.delta", **PLACE, "delta": "hi"},
        ),
        (
            ReplyAudio(reply_id="r1", item_id="a1", pcm=b"\0\1\2\3"),
            {"type": "response.output_audio.delta", **PLACE, "delta": "AAECAw=="},
        ),
        (
            Failed(kind="invalid_request_error", code="invalid_value", message="No.", param="item", ref="e1"),
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "code": "invalid_value",
                    "message": "No.",
                    "param": "item",
                    "event_id": "e1",
                },
            },
        ),
    ],
)
def test_one_event_one_frame(event: Event, frame: Frame) -> None:
    assert said(protocol(), event) == [frame]


def test_a_response_begins_empty_with_its_metadata() -> None:
    (frame,) = said(protocol(), ReplyStarted(reply_id="r1", manner=MANNER))
    response = frame["response"]
    assert response.pop("conversation_id").startswith("conv_")
    assert frame["type"] == "response.created"
    assert response == {
        "object": "realtime.response",
        "id": "r1",
        "status": "in_progress",
        "status_details": None,
        "output": [],
        "output_modalities": ["audio"],
        "max_output_tokens": "inf",
        "audio": {"output": {"format": {"type": "audio/pcm", "rate": 24_000}, "voice": "tone"}},
        "usage": None,
        "metadata": {"k": "v"},
    }


@pytest.mark.parametrize(
    ("kind", "part"),
    [("output_audio", {"type": "audio", "transcript": ""}), ("output_text", {"type": "text", "text": ""})],
)
def test_an_answers_item_begins(kind: str, part: Frame) -> None:
    item = _answer(kind, "", "in_progress")
    empty = _shown("in_progress", [])
    begun = said(protocol(), ReplyItemStarted(reply_id="r1", item=item, previous_item_id="u1"))
    frames = [
        {"type": "response.output_item.added", "response_id": "r1", "output_index": 0, "item": empty},
        {"type": "conversation.item.added", "previous_item_id": "u1", "item": empty},
        {"type": "response.content_part.added", **PLACE, "part": part},
    ]
    assert begun == frames
    aside = ReplyItemStarted(reply_id="r1", item=item, previous_item_id=None, in_conversation=False)
    assert said(protocol(), aside) == [frames[0], frames[2]]


@pytest.mark.parametrize("status", ["completed", "incomplete"])
def test_a_spoken_item_ends(status: str) -> None:
    shown = _shown(status, [{"type": "output_audio", "transcript": "hello you"}])
    done = ReplyItemDone(reply_id="r1", item=_answer("output_audio", "hello you", status), previous_item_id="u1")
    assert said(protocol(), done) == [
        {"type": "response.output_audio.done", **PLACE},
        {"type": "response.output_audio_transcript.done", **PLACE, "transcript": "hello you"},
        {"type": "response.content_part.done", **PLACE, "part": {"type": "audio", "transcript": "hello you"}},
        {"type": "conversation.item.done", "previous_item_id": "u1", "item": shown},
        {"type": "response.output_item.done", "response_id": "r1", "output_index": 0, "item": shown},
    ]


def test_a_written_item_ends() -> None:
    shown = _shown("completed", [{"type": "output_text", "text": "hello"}])
    item = _answer("output_text", "hello", "completed")
    aside = ReplyItemDone(reply_id="r1", item=item, previous_item_id=None, in_conversation=False)
    assert said(protocol(), aside) == [
        {"type": "response.output_text.done", **PLACE, "text": "hello"},
        {"type": "response.content_part.done", **PLACE, "part": {"type": "text", "text": "hello"}},
        {"type": "response.output_item.done", "response_id": "r1", "output_index": 0, "item": shown},
    ]


@pytest.mark.parametrize(
    ("ending", "details"),
    [
        ({"status": "completed"}, None),
        (
            {"status": "cancelled", "reason": "turn_detected"},
            {"type": "cancelled", "reason": "turn_detected"},
        ),
        (
            {"status": "incomplete", "reason": "max_output_tokens"},
            {"type": "incomplete", "reason": "max_output_tokens"},
        ),
        (
            {"status": "failed", "error_code": "engine_lost", "error_message": "Gone."},
            {"type": "failed", "error": {"type": "server_error", "code": "engine_lost", "message": "Gone."}},
        ),
    ],
)
def test_a_response_ends(ending: dict[str, Any], details: Frame | None) -> None:
    usage = Usage(input_text_tokens=3, input_audio_tokens=4, output_text_tokens=5, output_audio_tokens=6)
    item = _answer("output_audio", "hello", "completed")
    done = ReplyDone(reply_id="r1", manner=MANNER, output=(item,), usage=usage, **ending)
    frame, limits = said(protocol(), done)
    assert limits == {"type": "rate_limits.updated", "rate_limits": []}
    response = frame["response"]
    assert (frame["type"], response["status"], response["status_details"]) == (
        "response.done",
        ending["status"],
        details,
    )
    assert response["output"] == [_shown("completed", [{"type": "output_audio", "transcript": "hello"}])]
    assert response["metadata"] == {"k": "v"}
    assert response["usage"] == {
        "total_tokens": 18,
        "input_tokens": 7,
        "output_tokens": 11,
        "input_token_details": {"text_tokens": 3, "audio_tokens": 4, "image_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": 5, "audio_tokens": 6},
    }


def test_what_openai_does_not_send_is_sent_to_those_who_asked() -> None:
    stages = {"words_ms": 176.5, "text_ms": None, "phrase_ms": 210.5, "spoken_ms": None}
    timed = ReplyTimed(reply_id="r1", item_id="u1", audio_end_ms=1500, committed_ms=340, given_ms=350, **stages)
    assert said(protocol(), timed) == []
    asked = RealtimeProtocol("house", SessionConfig(), now_s=0, with_metrics=True)
    assert said(asked, timed) == [
        {
            "type": "duologue.response.timing",
            "response_id": "r1",
            "item_id": "u1",
            "audio_end_ms": 1500,
            "ms_since_speech_end": {
                "committed": 340,
                "transcript": 176.5,
                "first_text": None,
                "first_phrase": 210.5,
                "first_sound": None,
                "first_sent": 350,
            },
        }
    ]


OWN = "duologue.output_audio"
JUDGED = OverlapJudged(verdict="backchannel", at_ms=1200, took_ms=380.04)
ENDED = AttemptEnded(is_kept=False, level="sound", compute_s=0.1234)
ASKED = [
    ("with_playout", PlayoutLowered(reply_id="r1", gain=0.3), {"type": f"{OWN}.lowered", "gain": 0.3}),
    ("with_playout", PlayoutHeld(reply_id="r1"), {"type": f"{OWN}.held"}),
    ("with_playout", PlayoutResumed(reply_id="r1"), {"type": f"{OWN}.resumed"}),
    (
        "with_metrics",
        JUDGED,
        {"type": "duologue.overlap.judged", "verdict": "backchannel", "audio_start_ms": 1200, "took_ms": 380.0},
    ),
    (
        "with_metrics",
        ENDED,
        {"type": "duologue.attempt.ended", "kept": False, "level": "sound", "compute_ms": 123.4},
    ),
    (
        "with_metrics",
        ContextTrimmed(first_item_id="u7"),
        {"type": "duologue.context.trimmed", "first_item_id": "u7"},
    ),
]


@pytest.mark.parametrize(("asked", "event", "frame"), ASKED, ids=lambda each: type(each).__name__)
@pytest.mark.parametrize("over_webrtc", [False, True])
def test_our_own_events_are_for_those_who_asked_for_that_kind(
    asked: str, event: Event, frame: Frame, over_webrtc: bool
) -> None:
    place = {"response_id": "r1"} if asked == "with_playout" else {}
    for by in ("", "with_playout", "with_metrics"):
        wishes = {by: True} if by else {}
        dialect = RealtimeProtocol("house", SessionConfig(), now_s=0, over_webrtc=over_webrtc, **wishes)
        assert said(dialect, event) == ([{**frame, **place}] if by == asked else [])


@pytest.mark.parametrize(
    ("wishes", "holds"),
    [({}, False), ({"with_playout": True}, True), ({"over_webrtc": True}, True), ({"with_metrics": True}, False)],
)
def test_who_can_hold_what_was_sent(wishes: dict[str, bool], holds: bool) -> None:
    assert RealtimeProtocol("house", SessionConfig(), now_s=0, **wishes).holds_sound is holds  # type: ignore[arg-type]


def test_every_event_that_a_session_can_say_has_frames() -> None:
    from duologue import events
    from duologue.protocols.openai_realtime.server_events import _TRANSLATIONS

    names = [
        "SpeechStarted SpeechStopped TurnCommitted AudioCleared ItemAdded ItemDone ItemDeleted ItemRetrieved",
        "ItemTruncated TranscriptDelta TranscriptDone TranscriptFailed ReplyStarted ReplyItemStarted ReplyText",
        "ReplyAudio ReplyArguments ReplyItemDone ReplyDone Failed IdleTimeout McpCallProgress McpListingProgress",
        "PlayoutStarted PlayoutStopped PlayoutCleared ReplyTimed PlayoutLowered PlayoutHeld PlayoutResumed",
        "OverlapJudged AttemptEnded ContextTrimmed",
    ]
    assert {getattr(events, name) for name in " ".join(names).split()} == set(_TRANSLATIONS)

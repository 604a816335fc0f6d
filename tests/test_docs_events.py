"""The page that lists the protocol names all of it: what clients may send, all that is sent to them, every field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, get_args

import pytest

from duologue import events as e
from duologue import items as i
from duologue.protocols.openai_realtime import items, messages, server_events
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from duologue.protocols.openai_realtime.server_events import ServerEvents
from duologue.server import client_secrets
from duologue.server.rest import models, speech, transcriptions
from duologue.server.webrtc import routes as calls

ROOT = Path(__file__).parent.parent
# How the source writes a code: as a default, as an argument, as a refusal's second one.
CODE = re.compile(r"""\bcode(?:: str)? ?= ?"([a-z_]+)"|(?:problem\(|_Refused\(|_refuse\(ws, )\d+, "([a-z_]+)""")
PAGE = (ROOT / "docs" / "reference" / "events.md").read_text(encoding="utf-8")
SOURCE = ROOT / "src" / "duologue"
# In OpenAI's types, the three that this server never has a reason to send and the one from before GA included.
SERVER_EVENTS = 46
# Said at start, and in the reason of a close frame.
NOT_ON_THE_WIRE = {"invalid_config", "slow_client"}

MANNER = e.ReplyManner(modality="audio")
SPOKEN = i.Message(id="i", role="assistant", parts=(i.Part(kind="output_audio", text="Yes."),))
WRITTEN = i.Message(id="i", role="assistant", parts=(i.Part(kind="output_text", text="Yes."),))
CALL = i.FunctionCall(id="i", call_id="c", name="f", arguments="{}")
TOOL = i.McpCall(id="i", label="l", name="t", arguments="{}")


def sections() -> dict[str, dict[str, str]]:
    """By heading: what the first column of its tables names, and what the second says of it."""
    found: dict[str, dict[str, str]] = {}
    for part in PAGE.split("\n## ")[1:]:
        rows = re.findall(r"^\| (.+?) \| (yes|no|differs) \|", part, re.MULTILINE)
        found[part.partition("\n")[0]] = {name: word for cell, word in rows for name in re.findall(r"`([^`]+)`", cell)}
    return found


def samples() -> list[e.Event]:
    """One of every kind of event that a session says, and of those that become other frames by what they hold, each."""
    item: dict[str, Any] = {"item": SPOKEN, "previous_item_id": None}
    of_reply: dict[str, Any] = {"reply_id": "r", "in_conversation": True}
    phases = get_args(i.ProgressPhase)
    return [
        e.SpeechStarted(item_id="i", at_ms=0),
        e.SpeechStopped(item_id="i", at_ms=0),
        e.TurnCommitted(item_id="i", previous_item_id=None),
        e.AudioCleared(),
        e.IdleTimeout(item_id="i", start_ms=0, end_ms=1),
        e.TranscriptDelta(item_id="i", text="Yes."),
        e.TranscriptDone(item_id="i", text="Yes.", audio_s=1.0),
        e.TranscriptFailed(item_id="i", code="engine_lost", message=""),
        e.ItemAdded(**item),
        e.ItemDone(**item),
        e.ItemDeleted(item_id="i"),
        e.ItemRetrieved(item=SPOKEN),
        e.ItemTruncated(item_id="i", audio_end_ms=1),
        *(e.McpListingProgress(item_id="i", phase=phase) for phase in phases),
        e.ReplyStarted(reply_id="r", manner=MANNER),
        e.ReplyItemStarted(**item, **of_reply, index=0),
        *(e.ReplyText(reply_id="r", item_id="i", text="Yes.", is_spoken=spoken, index=0) for spoken in (True, False)),
        e.ReplyAudio(reply_id="r", item_id="i", pcm=b"\0\0", index=0),
        *(e.ReplyArguments(reply_id="r", item=call, text="{}", index=0) for call in (CALL, TOOL)),
        *(
            e.ReplyItemDone(item=each, previous_item_id=None, index=0, **of_reply)
            for each in (SPOKEN, WRITTEN, CALL, TOOL)
        ),
        *(e.McpCallProgress(reply_id="r", item=TOOL, phase=phase, index=0) for phase in phases),
        e.ReplyTimed(
            reply_id="r", item_id="i", audio_end_ms=1, committed_ms=1, words_ms=None, text_ms=None, given_ms=1
        ),
        e.ReplyDone(reply_id="r", manner=MANNER, status="completed"),
        e.PlayoutStarted(reply_id="r"),
        e.PlayoutStopped(reply_id="r"),
        e.PlayoutCleared(reply_id="r", item_id="i", heard_ms=1),
        e.PlayoutLowered(reply_id="r", gain=0.5),
        e.PlayoutHeld(reply_id="r"),
        e.PlayoutResumed(reply_id="r"),
        e.OverlapJudged(verdict="noise", at_ms=0, took_ms=1),
        e.AttemptEnded(is_kept=True, level="words", compute_s=0),
        e.ContextTrimmed(first_item_id="i"),
        e.Failed(kind="server_error", code="engine_lost", message=""),
    ]


def sent_types() -> set[str]:
    wishes = {"with_metrics": True, "with_playout": True}
    dialects = [ServerEvents(over_webrtc=over_webrtc, **wishes) for over_webrtc in (False, True)]
    frames = chain.from_iterable(dialect.frames(event) for dialect in dialects for event in samples())
    # These three the protocol makes by itself.
    made = {"session.created", "session.updated", "duologue.conversation.opened"}
    return {str(frame["type"]) for frame in frames} | made


def paths(shown: Mapping[str, Any], before: str = "") -> Iterable[str]:
    """The fields of a session object as the page names them: with their places, but for those of turn detection."""
    for key, value in shown.items():
        path = f"{before}{key}"
        if key == "turn_detection":
            yield path
            yield from (f"…turn_detection.{inner}" for inner in value)
        elif isinstance(value, dict) and key in ("audio", "input", "output"):
            yield from paths(value, f"{path}.")
        else:
            yield path


def test_every_client_event_is_named() -> None:
    assert sections()["Client events"].keys() == messages._TYPES


def test_there_is_a_sample_of_every_event() -> None:
    assert {type(sample) for sample in samples()} == server_events._TRANSLATIONS.keys()


def test_every_server_event_is_named_and_the_page_promises_no_other() -> None:
    named = sections()["Server events"]
    ours = sections()["Events of our own"].keys()
    told = messages._OWN_TYPES - messages._TYPES
    assert told < ours
    assert {name for name, word in named.items() if word != "no"} | (ours - told) == sent_types()
    assert len(named) == SERVER_EVENTS
    assert all(name.startswith("duologue.") for name in ours)


@pytest.mark.parametrize("detection", ["server_vad", "semantic_vad"])
def test_every_field_of_a_session_is_named(detection: str) -> None:
    protocol = RealtimeProtocol("m", i.SessionConfig(), now_s=0)
    protocol.apply({"audio": {"input": {"turn_detection": {"type": detection}}}})
    assert set(paths(protocol._session.shown)) <= sections()["Session fields"].keys()


def test_every_kind_of_item_is_named() -> None:
    assert sections()["Items"].keys() == items._READERS.keys() | set(get_args(i.PartKind))


def test_every_endpoint_is_named() -> None:
    tables = (client_secrets.ROUTES, calls.ROUTES, transcriptions.ROUTES, speech.ROUTES, models.ROUTES)
    named = {name.split(" ")[-1] for name in sections()["Endpoints"]}
    assert {route.path for route in chain.from_iterable(tables)} <= named  # type: ignore[attr-defined]


def test_every_code_of_an_error_is_named() -> None:
    files = [SOURCE / "errors.py"]
    for folder in ("protocols", "session", "server", "engines"):
        files += (SOURCE / folder).rglob("*.py")
    source = "\n".join(file.read_text(encoding="utf-8") for file in files)
    codes = CODE.findall(source)
    named = set(re.findall(r"`(\w+)`", PAGE.partition("\n## Errors")[2]))
    assert len(codes) > 30, "they are still written like this"
    assert {one or other for one, other in codes} - named == NOT_ON_THE_WIRE

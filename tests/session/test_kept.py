"""What is kept of an entry, and what comes back."""

from __future__ import annotations

import numpy as np
import pytest

from duologue.items import (
    FunctionCall,
    FunctionOutput,
    Item,
    ItemStatus,
    McpApprovalRequest,
    McpCall,
    McpFailure,
    McpTools,
    Message,
    Part,
)
from duologue.session.chat_prompt import messages
from duologue.session.history import Entry, HeardWord, History, snapshot
from duologue.session.kept import entry_of, is_kept, record_of
from duologue.store.codec import decode, encode
from duologue.store.records import Record


def again(entry: Entry) -> Entry:
    """What comes back of it, by way of what the database has."""
    record = record_of(entry, 1_000.0)
    read = decode(*encode(record))
    assert read == record
    return entry_of(read)


def _said(text: str | None, role: str = "user", kind: str = "input_audio", status: ItemStatus = "completed") -> Entry:
    return Entry(Message(id="m", role=role, parts=(Part(kind=kind, text=text),), status=status))  # type: ignore[arg-type]


def _answer(**more: object) -> Entry:
    entry = _said("one two three", "assistant", "output_audio")
    entry.words = [HeardWord(3, 150.0), HeardWord(7, 450.0), HeardWord(13, 812.5)]
    for name, value in more.items():
        setattr(entry, name, value)
    return entry


CALL = FunctionCall(id="c", call_id="call_1", name="weather", arguments='{"place": "Oslo"}')
ENTRIES = [
    _said("Hello."),
    _said(None),
    _said(""),
    _said("Typed.", kind="input_text"),
    _said("Be kind.", "system", "input_text"),
    _answer(),
    _answer(heard_ms=500.0),
    _answer(heard_ms=0.0),
    _answer(backchannels=["mm-hm", "yeah"]),
    _answer(is_filler=True),
    _said("Written.", "assistant", "output_text", "incomplete"),
    Entry(CALL),
    Entry(FunctionCall(id="c", call_id="call_1", name="weather", arguments='{"pla', status="incomplete")),
    Entry(FunctionOutput(id="o", call_id="call_1", output="rain")),
    Entry(McpCall(id="m", label="house", name="clock", arguments="{}", output="noon")),
    Entry(McpCall(id="m", label="house", name="clock", arguments="{}")),
    Entry(
        McpCall(
            id="m",
            label="house",
            name="clock",
            arguments="{}",
            failure=McpFailure(kind="http_error", message="away", code=503),
        )
    ),
    Entry(McpApprovalRequest(id="a", label="house", name="clock", arguments="{}")),
]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: type(entry.item).__name__)
def test_what_comes_back_is_told_and_shown_as_it_was(entry: Entry) -> None:
    back = again(entry)
    assert repr(messages([back])) == repr(messages([entry]))
    assert snapshot(back) == snapshot(entry)
    assert (back.text, back.heard_text, back.is_cut) == (entry.text, entry.heard_text, entry.is_cut)


@pytest.mark.parametrize(
    ("item", "status"),
    [
        (CALL, "incomplete"),
        (Message(id="m", role="assistant", parts=(Part(kind="output_audio", text="one"),)), "incomplete"),
        (McpCall(id="m", label="house", name="clock", arguments='{"zone": 1}'), "completed"),
        (McpCall(id="m", label="house", name="clock", arguments='{"zone'), "incomplete"),
    ],
)
def test_nobody_goes_on_with_what_was_in_progress(item: Item, status: str) -> None:
    begun = Entry(type(item)(**{**{f: getattr(item, f) for f in item.__struct_fields__}, "status": "in_progress"}))
    history = History([again(begun)])
    assert [entry.item.status for entry in history] == [status]
    here = History([begun])
    here.settle()
    assert [entry.item.status for entry in here] == [status]
    assert here.changed_since(0) == [begun]


def test_sound_and_images_are_not_kept_but_what_was_said_of_them_is() -> None:
    parts = (
        Part(kind="input_text", text="What is this?"),
        Part(kind="input_image", image_url="data:image/png;base64,AAAA", detail="low"),
        Part(kind="input_audio", text="A cat?", pcm=b"\0\0"),
    )
    entry = Entry(Message(id="m", role="user", parts=parts), sound=np.zeros(160, np.float32))
    record = record_of(entry, 1.0)
    assert isinstance(record.item, Message)
    assert [part.kind for part in record.item.parts] == [part.kind for part in parts]
    assert all(part.pcm is None and part.image_url is None for part in record.item.parts)
    [told] = messages([again(entry)])
    assert (told.content, told.images, told.audio) == ("What is this? A cat?", (), None)


def test_what_was_not_heard_is_kept_beside_what_was() -> None:
    record = record_of(_answer(heard_ms=500.0), 1.0)
    assert isinstance(record.item, Message)
    assert (record.item.parts[0].text, record.text_heard, record.heard_ms) == ("one two three", "one two", 500.0)
    assert record_of(_answer(), 1.0).text_heard is None


def test_nobody_hears_more_of_an_answer_of_the_past() -> None:
    history = History([again(_answer(heard_ms=500.0))])
    [entry] = history
    history.truncate(entry, 10_000)
    assert entry.heard_text == "one two"
    history.truncate(entry, 200)
    assert entry.heard_text == "one"


def test_which_tools_were_offered_is_asked_anew() -> None:
    assert not is_kept(Entry(McpTools(id="t", label="house")))


def test_an_unreadable_record_is_none() -> None:
    kind, encoded = encode(Record(item=CALL, said_at_s=1.0))
    assert decode("hologram", encoded) is None
    assert decode(kind, encoded) is not None

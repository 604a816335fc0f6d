"""What a client may do to the items of its conversation, and what it is told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import anyio

from duologue.errors import ClientError
from duologue.events import (
    DeleteItem,
    Event,
    ItemAdded,
    ItemDeleted,
    ItemDone,
    ItemRetrieved,
    ItemTruncated,
    RetrieveItem,
    TranscriptDone,
    TranscriptFailed,
    TruncateItem,
    TurnCommitted,
)
from duologue.items import FunctionOutput, Item, Message, Part
from duologue.session.history import Entry, History, snapshot, taken
from duologue.session.transcribe import Transcription


class Conversation:
    """The history, and every change to it said to the client."""

    def __init__(self, say: Callable[[Event], None], entries: Iterable[Entry] = ()) -> None:
        self.history = History(entries)
        self._say = say
        self._awaited: dict[str, anyio.Event] = {}
        # The item that the user's open turn will become, of which the client has been told.
        self.announced_id: str | None = None

    def commit(self, item_id: str, text: str | None = None) -> Entry:
        """The user's turn becomes an item; its words follow when they are known, unless there are none."""
        previous_id = self.history.last_id()
        self._say(TurnCommitted(item_id=item_id, previous_item_id=previous_id))
        if text is None:
            self._awaited[item_id] = anyio.Event()
        return self._add(Message(id=item_id, role="user", parts=(Part(kind="input_audio", text=text),)), None)

    def awaited(self) -> list[anyio.Event]:
        """One event for each committed turn without words yet, set when it has them or never will."""
        return list(self._awaited.values())

    def set_words(self, entry: Entry, transcription: Transcription, *, show: bool) -> None:
        """The transcript of a committed turn. ``show``: the client asked for transcripts."""
        failure = transcription.failure
        if failure is None:
            self.history.set_words(entry, transcription.text or "")
        if (awaited := self._awaited.pop(entry.item.id, None)) is not None:
            awaited.set()
        if not show or self.history.find(entry.item.id) is not entry:
            return
        if failure is not None:
            self._say(TranscriptFailed(item_id=entry.item.id, code=failure.code, message=failure.message))
        else:
            text = transcription.text or ""
            probs = _probs(transcription)
            self._say(TranscriptDone(item_id=entry.item.id, text=text, audio_s=transcription.audio_s, probs=probs))

    def create(self, item: Item, after: str | None) -> Entry:
        """Raises ClientError for an id that is taken, a place that does not exist, a result that nobody waits for."""
        if isinstance(item, FunctionOutput) and self.history.call_of(item.call_id) is None:
            raise ClientError(f"Tool call ID '{item.call_id}' not found in conversation.", param="item.call_id")
        if item.id == self.announced_id:
            raise taken(item.id)
        entry = self._add(item, after)
        if any(part.kind == "input_audio" and part.text is None for part in entry.parts):
            self._awaited[item.id] = anyio.Event()
        return entry

    def _add(self, item: Item, after: str | None) -> Entry:
        entry = self.history.add(item, after)
        previous_id = self.history.previous_id(item.id)
        self._say(ItemAdded(item=item, previous_item_id=previous_id))
        self._say(ItemDone(item=item, previous_item_id=previous_id))
        return entry

    def delete(self, event: DeleteItem) -> None:
        self.history.remove(event.item_id)
        self._say(ItemDeleted(item_id=event.item_id))

    def retrieve(self, event: RetrieveItem) -> None:
        self._say(ItemRetrieved(item=snapshot(self.history.require(event.item_id, "retriev"))))

    def truncate(self, event: TruncateItem) -> None:
        """The listener heard only so much of an answer. Raises ClientError for what is not a spoken answer."""
        entry = self.history.require(event.item_id, "truncat")
        if not entry.parts or entry.parts[0].kind != "output_audio":
            raise ClientError(
                "Error truncating item: only a spoken answer of the assistant can be truncated.", param="item_id"
            )
        self.history.truncate(entry, event.audio_end_ms)
        self._say(ItemTruncated(item_id=event.item_id, audio_end_ms=event.audio_end_ms))


def _probs(transcription: Transcription) -> tuple[tuple[str, float], ...]:
    """Of each word, with the blank before it; none where the words are not just the text, or one is not known."""
    words = [f" {word.text.strip()}" if i else word.text.strip() for i, word in enumerate(transcription.words)]
    probs = [word.prob for word in transcription.words if word.prob is not None]
    if "".join(words) != transcription.text or len(probs) != len(words):
        return ()
    return tuple(zip(words, probs, strict=True))

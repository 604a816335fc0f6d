"""What was said, in order, and of the assistant's part only what was heard."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import takewhile

import msgspec
from msgspec import structs

from duologue.audio.frame import Float32
from duologue.errors import ClientError
from duologue.items import FunctionCall, FunctionOutput, Item, ItemStatus, McpCall, Message, Part

# Turns that are remembered as sound where their words never came: as many as a model hears at once (five), with the
# one to come. 30 s of it are 1.9 MB.
SOUNDS_KEPT = 4
MOST_IMAGE_CHARS = 32 << 20


@dataclass(slots=True)
class HeardWord:
    """``text[:text_end]`` has been heard once ``heard_at_ms`` of the item's sound have been played."""

    text_end: int
    heard_at_ms: float


@dataclass(slots=True)
class Entry:
    """One item as the history keeps it.

    ``heard_ms`` None: nothing was cut off; ``told_ms``: the same as the client told it. ``words`` are in order and only
    an answer in sound has them. ``sound``: what the user said, float32 at 16 kHz, for a model that hears, until the
    words are known. ``is_filler``: said to bridge a wait, and nothing that a model has to know of. ``backchannels``:
    what the user said while listening to it. ``touched``: `History.changes` when it last became what it is.
    """

    item: Item
    sound: Float32 | None = None
    words: list[HeardWord] = field(default_factory=list)
    heard_ms: float | None = None
    told_ms: float | None = None
    is_filler: bool = False
    backchannels: list[str] = field(default_factory=list)
    touched: int = 0

    @property
    def parts(self) -> tuple[Part, ...]:
        """Of a message; nothing else has any."""
        return self.item.parts if isinstance(self.item, Message) else ()

    @property
    def text(self) -> str | None:
        """All words of a message, said or written; None while they are not known."""
        known = [part.text for part in self.parts if part.text is not None]
        return " ".join(filter(None, known)) if known or not self.parts else None

    @property
    def heard_text(self) -> str:
        """The words up to the last one that the listener heard."""
        text = self.text or ""
        if self.heard_ms is None:
            return text
        return text[: max((w.text_end for w in self.words if w.heard_at_ms <= self.heard_ms), default=0)]

    @property
    def is_cut(self) -> bool:
        return self.heard_ms is not None and self.heard_text != self.text

    def set_text(self, text: str) -> None:
        """The words of the part that has none yet; else of the only one that grows, the first."""
        assert isinstance(self.item, Message), "only messages have words"
        index = next((i for i, part in enumerate(self.parts) if part.kind == "input_audio" and part.text is None), 0)
        part = structs.replace(self.parts[index], text=text)
        parts = (*self.parts[:index], part, *self.parts[index + 1 :])
        self.item = structs.replace(self.item, parts=parts)

    def set_status(self, status: ItemStatus) -> None:
        self.item = structs.replace(self.item, status=status)


class History:
    """The items of one conversation, in order.

    ``version`` changes with whatever a prompt would show, so that work done ahead knows if it is stale; ``changes``
    with everything, an answer that still grows included, and then ``on_change`` is told what became another, or None.
    Begins with ``entries``.
    """

    def __init__(self, entries: Iterable[Entry] = ()) -> None:
        self._entries = list(entries)
        self.version = self.changes = 0
        self.on_change: Callable[[Entry | None], None] = _ignore

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries)

    def changed_since(self, changes: int) -> list[Entry]:
        """Those that are new, or not as they were, since there were so many ``changes``."""
        return [entry for entry in self._entries if entry.touched > changes]

    def touch(self, entry: Entry) -> None:
        """The entry has become another, and so has what a prompt would show."""
        self.version += 1
        self.note(entry)

    def note(self, entry: Entry | None) -> None:
        """The entry has become another, but is not done; None: one is gone."""
        self.changes += 1
        if entry is not None:
            entry.touched = self.changes
        self.on_change(entry)

    def find(self, item_id: str) -> Entry | None:
        return next((e for e in self._entries if e.item.id == item_id), None)

    def last(self) -> Entry | None:
        return self._entries[-1] if self._entries else None

    def last_id(self) -> str | None:
        return self._entries[-1].item.id if self._entries else None

    def previous_id(self, item_id: str) -> str | None:
        """The id of the item before ``item_id``; None for the first."""
        index = next(i for i, e in enumerate(self._entries) if e.item.id == item_id)
        return self._entries[index - 1].item.id if index else None

    def add(self, item: Item, after: str | None = None) -> Entry:
        """Insert ``item`` after the item ``after`` (None: at the end, "root": at the front).

        Raises ClientError for an id that is taken, an ``after`` that does not exist, or too many images.
        """
        if self.find(item.id) is not None:
            raise taken(item.id)
        if _image_chars(item) + sum(_image_chars(e.item) for e in self._entries) > MOST_IMAGE_CHARS:
            raise ClientError(
                f"The conversation holds {MOST_IMAGE_CHARS >> 20} MiB of images already. Delete some first.",
                param="item.content",
            )
        entry = Entry(item)
        self._entries.insert(self._index_after(after), entry)
        self.touch(entry)
        return entry

    def _index_after(self, after: str | None) -> int:
        if after is None:
            return len(self._entries)
        if after == "root":
            return 0
        for index, entry in enumerate(self._entries):
            if entry.item.id == after:
                return index + 1
        raise ClientError(
            f"Error adding item: the previous item with id '{after}' does not exist.",
            code="item_create_invalid_previous_item_id",
            param="previous_item_id",
        )

    def remove(self, item_id: str) -> None:
        """Raises ClientError if there is no such item."""
        self._entries.remove(self.require(item_id, "delet"))
        self.version += 1
        self.note(None)

    def require(self, item_id: str, act: str) -> Entry:
        """The entry, or ClientError worded for ``act`` ("delet", "retriev", "truncat")."""
        entry = self.find(item_id)
        if entry is None:
            raise ClientError(
                f"Error {act}ing item: the item with id '{item_id}' does not exist.",
                code=f"item_{act}e_invalid_item_id",
                param="item_id",
            )
        return entry

    def set_words(self, entry: Entry, text: str) -> None:
        """The words of a spoken item, now that they are known."""
        entry.set_text(text)
        entry.sound = None
        self.touch(entry)

    def keep_sound(self, entry: Entry, sound: Float32) -> None:
        """What was said, float32 at 16 kHz, until its words are known; only the newest few are kept."""
        entry.sound = sound
        for older in [e for e in self._entries if e.sound is not None][:-SOUNDS_KEPT]:
            older.sound = None

    def forget_sound(self) -> None:
        for entry in self._entries:
            entry.sound = None

    def cut(self, entry: Entry, heard_ms: float) -> None:
        """Only the first ``heard_ms`` of the item's sound reached the listener, by our own account."""
        entry.heard_ms = max(0.0, heard_ms)
        self.touch(entry)

    def truncate(self, entry: Entry, heard_ms: float) -> None:
        """The same by the client's account, which is the better one. What it once had not heard it never will."""
        if entry.told_ms is not None:
            heard_ms = min(heard_ms, entry.told_ms)
        entry.told_ms = heard_ms
        self.cut(entry, heard_ms)

    def note_backchannel(self, entry: Entry, words: str) -> None:
        """The user said ``words`` ("mm-hm") while listening to the item, which was no turn."""
        entry.backchannels.append(words)
        self.touch(entry)

    def settle(self) -> None:
        """Nobody will finish what is in progress."""
        for entry in self._entries:
            if entry.item.status == "in_progress":
                entry.item = settled(entry.item)
                self.note(entry)

    def call_of(self, call_id: str) -> FunctionCall | None:
        """The function call of that id."""
        calls = (e.item for e in self._entries if isinstance(e.item, FunctionCall) and e.item.call_id == call_id)
        return next(calls, None)

    def open_calls(self) -> list[FunctionCall]:
        """Calls since the user last said something whose functions have not answered yet. Some never do."""
        since = self._since_user()
        answered = {e.item.call_id for e in since if isinstance(e.item, FunctionOutput)}
        calls = [e.item for e in since if isinstance(e.item, FunctionCall)]
        return [call for call in calls if call.call_id not in answered and call.status == "completed"]

    def tool_steps(self) -> int:
        """How often the model has called tools since the user last said something; calls side by side are one."""
        steps, was_call = 0, False
        for entry in self._since_user():
            is_call = isinstance(entry.item, FunctionCall | McpCall)
            steps += is_call and not was_call
            was_call = is_call
        return steps

    def _since_user(self) -> list[Entry]:
        """All since the user's last words, the newest first. A cough has none."""
        return list(takewhile(lambda entry: not _is_said_by_user(entry), reversed(self._entries)))


def _ignore(_entry: Entry | None) -> None:
    pass


def _image_chars(item: Item) -> int:
    return sum(len(part.image_url or "") for part in item.parts) if isinstance(item, Message) else 0


def _is_said_by_user(entry: Entry) -> bool:
    return isinstance(entry.item, Message) and entry.item.role == "user" and entry.text != ""


def taken(item_id: str) -> ClientError:
    """The error for an id that another item has."""
    return ClientError(
        f"Error adding item: an item with id '{item_id}' already exists.",
        code="item_create_duplicate_item_id",
        param="item.id",
    )


def settled(item: Item) -> Item:
    """``item`` as it stays where nobody goes on with it. A tool that was called and has not answered stays so."""
    was_called = isinstance(item, McpCall) and _is_object(item.arguments)
    return structs.replace(item, status="completed" if was_called else "incomplete")


def _is_object(arguments: str) -> bool:
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def snapshot(entry: Entry) -> Item:
    """The item as a client is shown it: an answer only as far as it was heard."""
    if not entry.is_cut or not isinstance(entry.item, Message):
        return entry.item
    part = structs.replace(entry.item.parts[0], text=entry.heard_text)
    return structs.replace(entry.item, parts=(part,))

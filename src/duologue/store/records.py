"""What is kept of a conversation, and what a store does with it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from duologue.items import Data, Item


class Timing(Data, frozen=True):
    """Where the time of a spoken turn went, as `duologue.events.ReplyTimed` has it: ms since the end of speech."""

    committed_ms: float
    words_ms: float | None = None
    text_ms: float | None = None
    phrase_ms: float | None = None
    spoken_ms: float | None = None
    given_ms: float = 0.0


class Record(Data, frozen=True):
    """An item, with all that a session needs to take it up again.

    ``said_at_s``: of the calendar, when it was begun. ``heard_ms``: how much of an answer's sound was heard, None where
    nothing was cut off; ``words``: for each of its words where in the text it ends and after how many ms of the sound;
    ``text_heard``: the words up to the last one heard, for what is not taken up again but shown; None: all of them.
    ``backchannels``: what the user said while listening. ``is_filler``: said to bridge a wait. ``timing``: of the
    answer to this turn of the user's.
    """

    item: Item
    said_at_s: float
    heard_ms: float | None = None
    words: tuple[tuple[int, float], ...] = ()
    text_heard: str | None = None
    backchannels: tuple[str, ...] = ()
    is_filler: bool = False
    timing: Timing | None = None
    has_sound: bool = False


class Summary(Data, frozen=True):
    """A conversation in the list. ``turns``: how often the user said something; ``snippet``: where a search found it,
    if not in the title."""

    id: str
    title: str
    created_at_s: float
    updated_at_s: float
    turns: int
    snippet: str | None = None


class Store(Protocol):
    """Conversations that outlive their sessions. Each belongs to an ``owner``, whom the server makes out from the key
    that was shown: nobody is shown another's. All methods raise StoreFailed where the disk does not do its part, and
    NotKept for a conversation that is not there, or not the owner's.
    """

    async def begin(self, owner: str, conversation_id: str, now_s: float) -> None:
        """A new conversation. One in which nothing is ever said is not listed, and is forgotten."""

    async def save(self, conversation_id: str, order: Sequence[str], changed: Sequence[Record], now_s: float) -> None:
        """In one transaction. ``order``: the ids of all items, in order; those that are not in it are deleted.
        ``changed``: those that are new or not as they were. Gives the conversation its title from the user's first
        words, unless it was named."""

    async def save_sound(self, conversation_id: str, item_id: str, wav: bytes) -> None:
        """What an item sounded like."""

    async def sound(self, owner: str, conversation_id: str, item_id: str) -> bytes | None: ...

    async def load(self, owner: str, conversation_id: str) -> list[Record]:
        """All items, in order."""

    async def items(
        self, owner: str, conversation_id: str, *, after: str | None, limit: int
    ) -> tuple[list[Record], bool]:
        """A page of them, and whether there are more."""

    async def summary(self, owner: str, conversation_id: str) -> Summary: ...

    async def list(self, owner: str, *, query: str, after: str | None, limit: int) -> tuple[list[Summary], bool]:
        """The newest first; ``query``: words that are all to be found in the title or in what was said and heard."""

    async def rename(self, owner: str, conversation_id: str, title: str) -> Summary: ...

    async def delete(self, owner: str, conversation_ids: Collection[str] | None) -> int:
        """For good, with whatever the database still holds of them; None: all of the owner's. Returns how many."""

    async def forget_before(self, moment_s: float) -> int:
        """Deletes what nobody has talked in since then."""

    async def forget_empty_before(self, moment_s: float) -> int:
        """Deletes those begun before then in which nothing was said. Let a session in one of them be over."""

    async def purge(self) -> None:
        """Rids the disk of what was deleted, where a deletion could not yet; from time to time. Raises nothing."""

    async def aclose(self) -> None: ...

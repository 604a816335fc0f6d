"""An entry of the history <-> the record that a store keeps of it.

Words are kept, and all that the next prompt needs of them. Sound and images are not: an image's place stays, empty, so
that the model is told what was said of it but does not see it again; a turn whose words were never known stays without
any. Nor is it kept which tools a server offered: the next session asks it anew.
"""

from __future__ import annotations

from msgspec import structs

from duologue.items import Item, McpTools, Message
from duologue.session.history import Entry, HeardWord, settled
from duologue.store.records import Record, Timing


def is_kept(entry: Entry) -> bool:
    """Whether there is anything in it to be taken up again."""
    return not isinstance(entry.item, McpTools)


def record_of(entry: Entry, said_at_s: float, timing: Timing | None = None, *, has_sound: bool = False) -> Record:
    """``said_at_s``: of the calendar, when it was begun; ``timing``: of the answer to it."""
    return Record(
        item=_words_of(entry.item),
        said_at_s=said_at_s,
        heard_ms=entry.heard_ms,
        words=tuple((word.text_end, word.heard_at_ms) for word in entry.words),
        text_heard=entry.heard_text if entry.is_cut else None,
        backchannels=tuple(entry.backchannels),
        is_filler=entry.is_filler,
        timing=timing,
        has_sound=has_sound,
    )


def entry_of(record: Record) -> Entry:
    """As it was, but that nobody goes on with what was in progress, and that nobody will hear more of it."""
    item = record.item
    return Entry(
        settled(item) if item.status == "in_progress" else item,
        words=[HeardWord(text_end, heard_at_ms) for text_end, heard_at_ms in record.words],
        heard_ms=record.heard_ms,
        told_ms=record.heard_ms,
        is_filler=record.is_filler,
        backchannels=list(record.backchannels),
    )


def _words_of(item: Item) -> Item:
    if not isinstance(item, Message) or all(part.pcm is None and part.image_url is None for part in item.parts):
        return item
    return structs.replace(item, parts=tuple(structs.replace(p, pcm=None, image_url=None) for p in item.parts))

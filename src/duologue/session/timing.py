"""Where the time of a turn went."""

from __future__ import annotations

from duologue.audio.frame import samples_to_ms
from duologue.events import ReplyTimed
from duologue.session.given import Turned
from duologue.session.reply import Reply


def timed(reply_id: str, reply: Reply, turn: Turned, given_at_s: float) -> ReplyTimed:
    """The stages of the answer ``reply`` to ``turn``, the first of which leaves now, at ``given_at_s``."""

    def since_ms(at_s: float) -> float:
        # What a pause within the turn began, and was kept, is older.
        return round(max(0.0, at_s - turn.ended_at_s) * 1000, 1)

    def known_ms(at_s: float | None) -> float | None:
        return None if at_s is None else since_ms(at_s)

    return ReplyTimed(
        reply_id=reply_id,
        item_id=turn.item_id,
        audio_end_ms=samples_to_ms(turn.ended_at),
        committed_ms=since_ms(turn.committed_at_s),
        words_ms=known_ms(turn.words.known_at_s),
        text_ms=known_ms(reply.writing.began_at_s),
        phrase_ms=known_ms(reply.asked_at_s),
        spoken_ms=known_ms(reply.sounded_at_s),
        given_ms=since_ms(given_at_s),
    )

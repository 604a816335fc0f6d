"""Server-sent events, cut anywhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.chat.sse import SseReader
from duologue.errors import EngineError


@given(
    st.lists(st.text(alphabet=st.characters(exclude_characters="\r\n\ufeff", codec="utf-8"), min_size=1), max_size=4),
    st.integers(1, 9),
)
def test_events_are_the_same_wherever_they_are_cut(payloads: list[str], size: int) -> None:
    wire = "".join(f": note\r\nid: 1\r\ndata: {payload}\r\n\r\n" for payload in payloads).encode()
    reader = SseReader()
    seen = [payload for at in range(0, len(wire), size) for payload in reader.feed(wire[at : at + size])]
    assert seen + reader.end() == payloads


def test_an_endless_event_is_refused() -> None:
    reader = SseReader()
    reader.feed(b"data: " + b"x" * 1_000_000)
    with pytest.raises(EngineError, match="1 MiB"):
        reader.feed(b"x" * 65_536)

"""What is kept of rows and of sounds, and what gives way."""

from __future__ import annotations

import pytest
from tests.engines.speech.talk import noise

from duologue.engines.speech.kept_rows import KeptRows, Row, rows_for, shared
from duologue.engines.speech.kept_sounds import KeptSounds, digest
from duologue.engines.speech.rows import Sound


def _take(rows: KeptRows, conversation: str, atoms: list[int]) -> Row:
    row = rows.take(conversation, atoms)
    assert row is not None
    row.atoms = list(atoms)
    rows.leave(row)
    return row


@pytest.mark.parametrize("conversations", [1, 2, 7, 8, 9, 16, 20, 64, 255, 256])
def test_as_many_conversations_are_kept_as_were_asked_for(conversations: int) -> None:
    rows = KeptRows(rows_for(conversations))
    for number in range(conversations):
        _take(rows, str(number), [number])
    assert rows.evicted == 0
    assert all(rows.of(str(number)) for number in range(conversations))
    assert rows.spare([]) is not None, "a row is left for transcripts"
    _take(rows, "one more", [1])
    assert rows.evicted == 1
    assert rows.of("0") is None


def test_a_spare_row_is_the_one_that_shares_most() -> None:
    rows = KeptRows(4)
    taken = [rows.take("", atoms) for atoms in ([1, 2, 3], [1, 2, 9], [7])]
    for row, atoms in zip(taken, ([1, 2, 3], [1, 2, 9], [7]), strict=True):
        assert row is not None
        row.atoms = atoms
        rows.leave(row)
    assert rows.spare([1, 2, 9, 4]) is taken[1]
    assert rows.spare([1, 2, 3, 4]) is taken[0]


def test_a_transcript_waits_rather_than_cost_a_conversation_its_row() -> None:
    rows = KeptRows(3)
    _take(rows, "a", [1])
    _take(rows, "b", [2])
    assert rows.take_spare([5]) is not None
    assert rows.take_spare([5]) is None
    assert rows.evicted == 0


def test_what_two_prompts_share() -> None:
    assert shared([], [1]) == 0
    assert shared([1, 2, 3], [1, 2, 4]) == 2
    assert shared([1, 2], [1, 2, 4]) == shared([1, 2, 4], [1, 2]) == 2


def test_the_same_samples_have_the_same_name() -> None:
    assert digest(noise(1)) == digest(noise(1)) != digest(noise(2))


def test_the_sound_used_longest_ago_gives_way() -> None:
    sounds = KeptSounds()
    names = [bytes([number]) for number in range(64)]
    for key, name in enumerate(names, 1):
        sounds.keep({name: Sound(key, 375, None)})
    assert len(sounds.find(names)) == 64
    sounds.find([names[0]])
    sounds.keep({b"new": Sound(100, 375, None)})
    assert set(sounds.find([*names, b"new"])) == {*names, b"new"} - {names[1]}
    sounds.keep({b"long": Sound(101, 30_000, None)})
    assert set(sounds.find([*names, b"long"])) == {b"long"}

from __future__ import annotations

import pytest

from duologue.session.words import (
    bare_words,
    is_backchannel,
    same_but_for_fillers,
    without_fillers,
)

# As recognisers write them: of the sounds there are as many spellings as occasions.
BACKCHANNELS = [
    "Mm.",
    "Hmm.",
    "Hm",
    "Mhm",
    "M-hm",
    "H-hm",
    "Mm-hmm,",
    "Mm-Hmm",
    "Mmhmm",
    "Mm-hum.",
    "Um-hum.",
    "Uh hum",
    "Uh-huh.",
    "Uh huh",
    "Aha.",
    "A-ha!",
    "Yeah.",
    "Yes.",
    "Yep.",
    "Right?",
    "Okay",
    "O.K.",
    "I see.",
    "That's right.",
    "That’s true.",
    "Oh wow.",
    "Oh my God.",
    "Oh, really?",
    "Ha ha ha.",
    "Yeah, yeah.",
    "Right, right.",
    "Oh, I see.",
    "Oh, okay.",
    "M-hmm. Okay.",
    "Mm-hmm, yeah, right, okay.",
    "Uh, yeah.",
    "Um.",
]
OTHER_WORDS = [
    "",
    "...",
    "No.",
    "No, no.",
    "Uh-uh.",
    "Mm-mm.",
    "Nuh-uh.",
    "Oh no.",
    "Stop.",
    "Wait.",
    "What?",
    "Huh?",
    "Sorry?",
    "Hello?",
    "Thanks.",
    "Yes please.",
    "Okay stop.",
    "Yeah, but",
    "Yeah, but no.",
    "Right now.",
    "Sure thing, is",
    "Okay, what about Tuesday?",
    "I see a problem.",
    "See you.",
    "Okay, okay, okay, okay, okay.",
    "m" * 10_000 + "x",
]


@pytest.mark.parametrize("text", BACKCHANNELS)
def test_a_listener_says(text: str) -> None:
    assert is_backchannel(text)


@pytest.mark.parametrize("text", OTHER_WORDS)
def test_a_mere_listener_does_not_say(text: str) -> None:
    assert not is_backchannel(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ()),
        ("...", ()),
        ("Um, uh...", ()),
        ("Book a, um, room.", ("book", "a", "room")),
        ("Book a room, you know.", ("book", "a", "room")),
        ("Book a room, uh, I mean", ("book", "a", "room")),
        ("What does it look like", ("what", "does", "it", "look", "like")),
        ("Do you know?", ("do",)),
        ("I like tea.", ("i", "like", "tea")),
        ("Mm-hmm.", ("mm-hmm",)),
        ("“Don’t!”", ("don't",)),
    ],
)
def test_what_is_left_without_fillers(text: str, words: tuple[str, ...]) -> None:
    assert without_fillers(text) == words


@pytest.mark.parametrize(
    ("before", "after", "is_same"),
    [
        ("Book a room.", "Book a room, um.", True),
        ("Book a room.", "book a room", True),
        ("Um, book a room.", "Book a room, you know.", True),
        ("Book a room.", "Book a room for two.", False),
        ("Book a room.", "Book a broom.", False),
        ("Book a room.", "Book a room, no.", False),
        ("Book a room.", "Book a room. Mm-hmm.", False),
        ("Yes.", "", False),
        ("", "Um.", True),
    ],
)
def test_a_transcript_that_only_hesitates_says_the_same(before: str, after: str, is_same: bool) -> None:
    assert same_but_for_fillers(before, after) is is_same


def test_bare_words_have_neither_case_nor_signs() -> None:
    assert bare_words("Hello, WORLD! - It’s “me”…") == ("hello", "world", "it's", "me")

"""Three short stories, and finding the place where a telling of one broke off."""

from __future__ import annotations

import re
from collections.abc import Sequence

STORIES: tuple[str, ...] = (
    "This one is called the lamp on the rock. "
    "There was once a lighthouse keeper named Ines, who lived on a rock with a lamp, a stove and a very old cat. "
    "Every evening she climbed one hundred and twelve steps and lit the lamp, and every morning she climbed them "
    "again and put it out. "
    "One winter a fog came that lasted nine days, so thick that the light could not be seen from the foot of the "
    "tower. "
    "On the ninth night Ines heard oars. "
    "She could not show the boat her lamp, so she opened the window and sang, badly and very loudly, every song "
    "she knew. "
    "When she ran out of songs, the cat took over. "
    "Toward dawn a small boat bumped against the landing, with a fisherman and his daughter in it. "
    "They said that they had steered by the singing, until it became so dreadful that they knew it had to be real. "
    "They stayed for breakfast. "
    "And from that year on, whenever fog lay on the water, people on the shore would stop and listen for the cat.",
    "This one is called the clock that ran late. "
    "In the square of a little town stood a clock that was always seven minutes slow. "
    "The baker set his ovens by it, the school rang its bell by it, and the train, which kept the right time, "
    "left without everybody. "
    "At last the mayor sent for a clockmaker from the city. "
    "She climbed the tower, listened for a while, and found a pair of swallows nesting behind the great wheel. "
    "Each time the wheel turned, it waited a moment for the birds to move. "
    "The clockmaker thought about it over a pot of tea. "
    "Then she came down and told the mayor that the clock could not be mended before autumn. "
    "Instead she walked to the station and spoke with the driver of the train, who was fond of birds. "
    "All that summer the train left seven minutes late, and nobody missed it. "
    "In autumn the swallows flew south and the clock ran true. "
    "The people found that they were early for everything, and had seven minutes to sit in the sun.",
    "This one is called the echo that wanted a holiday. "
    "High in the mountains lived an echo who had repeated other people's words for a thousand years. "
    "One day a girl named Mila came up the path and shouted good morning. "
    "The echo was tired, and answered that it was hardly good, and rather late. "
    "Mila sat down on a stone in surprise and asked what was wrong. "
    "The echo said that it had never once been allowed to begin. "
    "So Mila said that she would be the echo for the day, and it could say whatever it liked. "
    "At first it was shy. "
    "Then it asked what the sea was like, and Mila asked what the sea was like. "
    "It laughed, and she laughed. "
    "By noon it was telling old stories of shepherds and snow, and she gave every word back to it. "
    "When the sun went down the echo thanked her, and went to work again. "
    "But if you call up there today and listen well, the last word that comes back is not always yours.",
)

_TAIL_WORDS = 8
_WORD = re.compile(r"[a-z0-9']+")


def plain_words(text: str) -> list[str]:
    """Lower-case words without punctuation, for comparing what was heard with what was to be said."""
    return _WORD.findall(text.lower().replace("’", "'"))


def story_of(answer: str) -> int | None:
    """Which story this answer begins to tell; None for any other answer."""
    words = plain_words(answer)
    for number, story in enumerate(STORIES):
        opening = plain_words(story.split(". ")[0])
        if any(words[at : at + len(opening)] == opening for at in range(min(12, len(words)))):
            return number
    return None


def heard_until(full: str, heard: str, start: int = 0) -> int:
    """How many words of ``full`` are over after ``heard``, the text that the listener got to hear.

    ``start`` is how many were over before. The end of ``heard`` is looked up in ``full`` from there on, by
    its longest tail that occurs; a last word cut in half is ignored.
    """
    told, words = plain_words(full), plain_words(heard)
    for spare in range(3):
        tail_end = len(words) - spare
        for length in range(min(_TAIL_WORDS, tail_end), 0, -1):
            found = _find(told, words[tail_end - length : tail_end], max(0, start - length + 1))
            if found is not None and (length >= 3 or found + length - start <= length):
                return found + length
    return start


def _find(words: Sequence[str], part: Sequence[str], start: int) -> int | None:
    for at in range(start, len(words) - len(part) + 1):
        if list(words[at : at + len(part)]) == list(part):
            return at
    return None


def rest_of(full: str, words_over: int) -> str:
    """The text after so many words; "" at the end."""
    matches = list(_WORD.finditer(full.lower().replace("’", "'")))
    if words_over >= len(matches):
        return ""
    return full[matches[words_over].start() :]

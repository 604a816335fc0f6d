"""What the listener said, made plain: one spelling for what a small transcriber writes in many ways."""

from __future__ import annotations

import re
from collections.abc import Sequence

from duologue.engines.base import ChatMessage

_FILLERS = re.compile(r"\b(?:um+|uh+|er+|erm+|hm+|ah|please|kindly|hey duologue|duologue)\b")
_SHORT_FORMS = (
    (r"\bwhat's\b|\bwhats\b", "what is"),
    (r"\bwho's\b", "who is"),
    (r"\bhow's\b", "how is"),
    (r"\bthat's\b", "that is"),
    (r"\bit's\b", "it is"),
    (r"\blet's\b", "let us"),
    (r"\bi'm\b|\bim\b", "i am"),
    (r"\bi'd\b", "i would"),
    (r"\byou're\b", "you are"),
    (r"\bcan't\b|\bcannot\b", "can not"),
    (r"\bdon't\b", "do not"),
    (r"\bdidn't\b", "did not"),
    (r"\b(\w+)n't\b", r"\1 not"),
    (r"\b(?:wanna|want to)\b", "want to"),
    (r"\bgonna\b", "going to"),
)
_REPEATED = re.compile(r"\b([a-z]+)(?: \1\b)+")
_NOT_NAMES = frozenset(
    re.findall(
        r"\w+",
        "a an the and but so or not no yes what how who can could would will do does did i you he she we they "
        "it is am are in on at from to for with of fine good well ok okay great happy sad tired hungry bored "
        "sorry here there back done ready just really very still going trying looking thinking nice my your "
        "name hello hi sure unknown german english french american british dutch spanish italian indian "
        "chinese calling talking wondering afraid glad busy new testing lost alone now all too also please "
        "thanks thank tell later tomorrow when if maybe crazy lonely ",
    )
)
_NAMED = (
    re.compile(r"\b(?:my name(?: is|'s)|you (?:can|may) call me|just call me|please call me|call me)\s+(.+)", re.I),
    re.compile(
        r"^\W*(?:(?i:hello|hi|hey|good \w+|yes|well|oh|um)\W+)*(?i:i'm|i am|this is)\s+"
        r"([A-Z][\w'-]+(?:\s+[A-Z][\w'-]+)?)\W*$"
    ),
)
_ASKED_NAME = "What is it?"
_BARE_NAME = re.compile(r"^\W*(?:it's|it is|i'm|i am|my name is)?\s*([\w'-]+)\W*$", re.I)
# Some transcribers write what is no speech in brackets, as "[BLANK_AUDIO]".
_NOISES = re.compile(r"\[[^\]]*\]")
# Vowel signs of Indian scripts are no letters to ``\w``, but belong to their words.
_WORD = r"\w\u0900-\u0963\u0966-\u0dff"
_MARKS = re.compile(rf"[^{_WORD}\s',.?!-]|_")


def make_plain(text: str) -> str:
    """Lower case, no punctuation, short forms written out, fillers and stuttered words dropped."""
    plain = _NOISES.sub(" ", text.lower()).replace("’", "'").replace("‘", "'")
    for pattern, written in _SHORT_FORMS:
        plain = re.sub(pattern, written, plain)
    plain = re.sub(rf"[^{_WORD}\s']", " ", plain).replace("_", " ")
    plain = _FILLERS.sub(" ", plain)
    return _REPEATED.sub(r"\1", " ".join(plain.split()))


def split_clauses(text: str) -> list[str]:
    """Sentences as the transcriber marked them; a point inside a number is none."""
    return [part.strip() for part in re.split(r"(?<=[.?!;])\s+", text) if part.strip()]


def make_speakable(text: str, limit_words: int = 14) -> str:
    """A short quotation of what was heard, without marks that cannot be said."""
    words = _MARKS.sub(" ", _NOISES.sub(" ", text)).split()
    words = [word for word in words if any(letter.isalnum() for letter in word)]
    quoted = " ".join(words[:limit_words]).strip(" ,.?!-'")
    return quoted[:120].strip(" ,.?!-'")


def read_name(text: str, asked: bool = False) -> str | None:
    """The speaker's name, where the text gives it. ``asked``: they answer the question what it is."""
    for pattern in _NAMED:
        found = pattern.search(text)
        if found and (name := _clean_name(found[1])):
            return name
    bare = _BARE_NAME.match(text) if asked else None
    return _clean_name(bare[1]) if bare else None


def _clean_name(said: str) -> str | None:
    words = re.findall(r"[^\W\d_][\w'’-]*|[,.!?;]", said)
    name: list[str] = []
    for word in words[:2]:
        if word in ",.!?;" or word.lower() in _NOT_NAMES or (name and not word[0].isupper()):
            break
        name.append(word[:30])
    return " ".join(word[0].upper() + word[1:] for word in name) or None


def remembered_name(messages: Sequence[ChatMessage]) -> str | None:
    """The last name given in the conversation."""
    name, asked = None, False
    for message in messages:
        if message.role == "user":
            for clause in split_clauses(message.content):
                name = read_name(clause, asked) or name
        elif message.role == "assistant":
            asked = message.content.rstrip().endswith(_ASKED_NAME)
    return name

"""The built-in responder: a real, small exchange for when no language model is attached.

It is a list of rules, tried in order, over what was said. It keeps no state: all that it remembers (a name, a
story's place, the last sum) is read from the request's messages, so any number of sessions share one.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

import anyio.lowlevel

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest
from duologue.engines.chat import builtin_small_talk as talk
from duologue.engines.chat.builtin_clock import answer_clock
from duologue.engines.chat.builtin_heard import (
    make_plain,
    make_speakable,
    read_name,
    remembered_name,
    split_clauses,
)
from duologue.engines.chat.builtin_stories import plain_words
from duologue.engines.chat.builtin_sums import solve
from duologue.engines.chat.builtin_tellings import (
    ASKS_GO_ON,
    ASKS_STORY,
    count_text,
    go_on,
    last_telling,
    next_story,
)

_ASKS_NAME = re.compile(r"\b(?:what is|what was|do you (?:know|remember)|tell me|say) my name\b|\bwho am i\b$")
_ASKS_AGAIN = re.compile(
    r"^(?:sorry |okay |no |can you |could you |would you |will you )*(?:say (?:that|it) (?:again|once more)"
    r"|repeat(?: (?:that|it|yourself))?(?: again)?"
    r"|what did you (?:just )?say|pardon(?: me)?|come again|once more|one more time|what was that"
    r"|i did not (?:hear|get|catch|understand) (?:that|you|it)"
    r"|what|sorry)$"
)
_ASKS_SPELL = re.compile(r"\bspell(?:s|ed)?(?: out)?(?: the word| the name| for me)? (?P<what>[^\W\d_][\w' ]*)$")
_ASKS_COIN = re.compile(r"\b(?:flip|toss|throw)\b.*\bcoin\b|\bheads or tails\b|\bcoin (?:flip|toss)\b")
_ASKS_DIE = re.compile(r"\b(?:roll|throw|toss)\b.*\b(?:die|dice|dies)\b|\bdice roll\b")
_ASKS_JOKE = re.compile(r"\bjokes?\b|\bmake me laugh\b|\bsomething funny\b")
_ASKS_ANOTHER = re.compile(
    r"^(?:okay |yes |and |now |tell me |do |can i (?:have|hear) |give me |i want "
    r"|i would like )*(?:another(?: one)?|one more|a different one|a new one"
    r"|(?:do (?:it|that) |and |once )?again|do (?:it|that) (?:again|once more)|the next(?: one)?"
    r"|something else|more)$"
)
_ASKS_ECHO = re.compile(r"^(?:can you |could you )?(?:say|repeat after me|repeat)\b[\s,:]+(?P<what>\S.*)$", re.I)
_NOT_ECHO = re.compile(
    r"^(?:say|repeat)\b\W+(?:that|it|what|something|again|my name|anything|the last|yourself)\b", re.I
)
_LONG_ANSWER_WORDS = 45


@dataclass(frozen=True)
class _Heard:
    """One clause of what was said, with the conversation before it."""

    text: str
    plain: str
    before: tuple[ChatMessage, ...]

    @property
    def last_answer(self) -> str:
        """What the assistant was last heard to say; "" for nothing."""
        return next((m.content for m in reversed(self.before) if m.role == "assistant"), "")


class BuiltinChat:
    """A ChatModel of rules. ``now`` gives local time; ``chance`` tosses coins and chooses between wordings."""

    name = "builtin"

    def __init__(self, now: Callable[[], datetime] = datetime.now, chance: random.Random | None = None) -> None:
        self._now = now
        self._chance = chance if chance is not None else random.Random()
        self._rules: tuple[Callable[[_Heard], str | None], ...] = (
            self._take_up_offer,
            self._tell,
            self._repeat,
            self._recall_name,
            self._sum,
            lambda heard: answer_clock(heard.plain, self._now()),
            self._count,
            self._spell,
            self._play,
            self._echo,
            self._remark,
        )

    async def start(self) -> None:
        """Nothing to bring in."""

    async def aclose(self) -> None:
        """Nothing to give back."""

    def stream(self, request: ChatRequest) -> AbstractAsyncContextManager[AsyncIterator[ChatDelta]]:
        """The answer word by word; ``max_tokens`` counts words."""
        return self._stream(request)

    @asynccontextmanager
    async def _stream(self, request: ChatRequest) -> AsyncIterator[AsyncIterator[ChatDelta]]:
        async with aclosing(_stream_words(self.answer(request.messages), request.max_tokens)) as deltas:
            yield deltas

    def answer(self, messages: Sequence[ChatMessage]) -> str:
        """The whole answer to the last user message; an opening where nobody has spoken yet."""
        at = max((i for i, m in enumerate(messages) if m.role == "user"), default=None)
        if at is None:
            return self._pick(talk.OPENINGS, tuple(messages))
        text, before = messages[at].content, tuple(messages[:at])
        greeting, clauses = self._clauses(text, before)
        answers = [found for clause in clauses if (found := self._strong(clause))]
        if not answers and len(clauses) > 1 and (found := self._strong(self._heard(text, before))):
            answers = [found]
        if answers:
            return " ".join(dict.fromkeys([*greeting, *answers[:2]]))
        return self._weak(text, before, bool(greeting), clauses)

    def _heard(self, text: str, before: tuple[ChatMessage, ...]) -> _Heard:
        return _Heard(text, talk.IS_GREETING.sub("", make_plain(text)).strip(), before)

    def _clauses(self, text: str, before: tuple[ChatMessage, ...]) -> tuple[list[str], list[_Heard]]:
        """A greeting, where the text has one, and what else was said."""
        clauses = [self._heard(part, before) for part in split_clauses(text)]
        has_greeting = bool(talk.IS_GREETING.search(make_plain(text)))
        return [self._pick(("Hello!", "Hi!"), ())] if has_greeting else [], [
            clause for clause in clauses if clause.plain
        ]

    def _strong(self, heard: _Heard) -> str | None:
        """The answer of the first rule that has one; a name given on the way is acknowledged before it."""
        name = read_name(heard.text, heard.last_answer.endswith("What is it?"))
        rest = next((found for rule in self._rules if (found := rule(heard)) is not None), None)
        if name is None:
            return rest
        welcome = self._pick((f"Nice to meet you, {name}.", f"Pleased to meet you, {name}."), heard.before)
        return f"{welcome} {rest}" if rest else welcome

    def _weak(self, text: str, before: tuple[ChatMessage, ...], has_greeting: bool, clauses: list[_Heard]) -> str:
        """For what no rule knows: yes and no, a bare greeting, and the honest rest."""
        heard = self._heard(text, before)
        if has_greeting and not clauses:
            return self._greet(before)
        quoted = make_speakable(text)
        if not quoted or not heard.plain:
            return self._pick(talk.NOT_CAUGHT, before)
        if (reaction := self._react(heard)) is not None:
            return reaction
        said = self._pick(talk.FALLBACKS, before).format(heard=quoted)
        recent = [m.content for m in before if m.role == "assistant"][-4:]
        has_hint = any("attach" in answer.lower() for answer in recent)
        return said if has_hint else f"{said} {self._pick(talk.ATTACH_HINTS, before)}"

    def _greet(self, before: tuple[ChatMessage, ...]) -> str:
        name = remembered_name(before)
        if name is not None:
            return self._pick((f"Hello again, {name}!", f"Hi {name}, I am still here."), before)
        return self._pick(talk.GREETINGS, before)

    def _react(self, heard: _Heard) -> str | None:
        if talk.IS_YES.match(heard.plain):
            return self._pick(talk.YES, heard.before)
        if talk.IS_NO.match(heard.plain):
            return self._pick(talk.NO, heard.before)
        if talk.IS_BACKCHANNEL.match(heard.plain):
            return self._pick(talk.SIGNS_OF_LISTENING, heard.before)
        return None

    def _take_up_offer(self, heard: _Heard) -> str | None:
        """Yes or no to the story that was offered in the last answer."""
        if not heard.last_answer.endswith((talk.ANOTHER_STORY, talk.OFFER_STORY)):
            return None
        if talk.IS_YES.match(heard.plain) or talk.IS_CONSENT.match(heard.plain):
            return next_story(heard.before)
        return self._pick(talk.NO_OFFER, heard.before) if talk.IS_NO.match(heard.plain) else None

    def _tell(self, heard: _Heard) -> str | None:
        if ASKS_GO_ON.match(heard.plain):
            rest = go_on(heard.before)
            if rest is None and not talk.IS_YES.match(heard.plain):
                rest = f"There is nothing that I broke off. {talk.OFFER_STORY}"
            return rest
        if ASKS_STORY.search(heard.plain):
            return next_story(heard.before)
        if _ASKS_ANOTHER.match(heard.plain):
            return self._another(heard)
        return None

    def _another(self, heard: _Heard) -> str | None:
        """ "Another one", "again": of whatever was asked for last."""
        for message in reversed(heard.before):
            plain = make_plain(message.content) if message.role == "user" else ""
            earlier = _Heard(message.content, plain, heard.before)
            if ASKS_STORY.search(plain):
                return next_story(heard.before)
            if plain and (played := self._play(earlier) or count_text(plain)):
                return played
        return next_story(heard.before) if last_telling(heard.before) else None

    def _repeat(self, heard: _Heard) -> str | None:
        if not _ASKS_AGAIN.match(heard.plain):
            return None
        if not heard.last_answer:
            return "I have not said anything yet."
        if len(plain_words(heard.last_answer)) <= _LONG_ANSWER_WORDS:
            return heard.last_answer
        return "I said: " + " ".join(split_clauses(heard.last_answer)[-2:])

    def _recall_name(self, heard: _Heard) -> str | None:
        if not _ASKS_NAME.search(heard.plain):
            return None
        name = remembered_name(heard.before)
        return f"Your name is {name}." if name else "You have not told me your name yet. What is it?"

    def _sum(self, heard: _Heard) -> str | None:
        found = solve(heard.text, _last_result(heard.before))
        return found.spoken if found is not None else None

    def _count(self, heard: _Heard) -> str | None:
        return count_text(heard.plain)

    def _spell(self, heard: _Heard) -> str | None:
        found = _ASKS_SPELL.search(heard.plain)
        if found is None:
            return None
        word = found["what"]
        if word in {"my name", "it", "that"} and (name := remembered_name(heard.before)):
            word = name
        letters = [letter for letter in word.upper() if letter.isalpha()][:40]
        return ", ".join(letters) + "."

    def _play(self, heard: _Heard) -> str | None:
        if _ASKS_COIN.search(heard.plain):
            return self._chance.choice(("Heads.", "Tails."))
        if _ASKS_DIE.search(heard.plain):
            return f"A {self._chance.choice(('one', 'two', 'three', 'four', 'five', 'six'))}."
        return self._pick(talk.JOKES, heard.before) if _ASKS_JOKE.search(heard.plain) else None

    def _echo(self, heard: _Heard) -> str | None:
        found = _ASKS_ECHO.match(heard.text)
        if found is None or _NOT_ECHO.match(heard.text):
            return None
        said = make_speakable(found["what"], limit_words=30)
        return f"{said[0].upper()}{said[1:]}." if said else None

    def _remark(self, heard: _Heard) -> str | None:
        for pattern, answers in talk.REMARKS:
            if pattern.search(heard.plain):
                return self._pick(answers, heard.before)
        return None

    def _pick(self, wordings: Sequence[str], before: tuple[ChatMessage, ...]) -> str:
        """One of them by chance, but none that was used in the last four answers while there is another."""
        recent = [m.content for m in before if m.role == "assistant"][-4:]
        fresh = [w for w in wordings if not any(_is_used(w, answer) for answer in recent)]
        return self._chance.choice(fresh or list(wordings))


def _is_used(wording: str, answer: str) -> bool:
    opening = " ".join(plain_words(wording.partition("{heard}")[0])[:4])
    return opening in " ".join(plain_words(answer))


def _last_result(before: Sequence[ChatMessage]) -> Fraction | None:
    """The value of the last sum of the conversation, follow-ups ("times two") included."""
    last: Fraction | None = None
    for message in before:
        if message.role == "user":
            found = solve(message.content, last)
            last = found.value if found is not None else last
    return last


async def _stream_words(answer: str, max_tokens: int | None) -> AsyncGenerator[ChatDelta, None]:
    words = answer.split()
    allowed = words if max_tokens is None else words[: max(0, max_tokens)]
    for at, word in enumerate(allowed):
        await anyio.lowlevel.checkpoint()
        yield ChatDelta(word if at == 0 else f" {word}")
    yield ChatDelta("", "stop" if len(allowed) == len(words) else "length")

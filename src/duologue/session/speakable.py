"""A chat model's text -> text that can be spoken: markup goes, words stay.

Models are asked for plain speech (``voice_prompt``) and still write lists, links and emoji now and then. The filter
sits between the model and everything else, so that what is shown, kept in history and said is the same text. It
gives the same whatever the pieces in which the text comes, and passes plain prose through as it is and at once: what
waits is what may yet turn out to be markup.

=========================== ==========================================================================
written                     becomes
=========================== ==========================================================================
emphasis, code              the words
headings, quotes            the words; a heading without a full stop gets one
lists                       the items, a comma after each and a full stop after the last; "1. " is "1, "
tables                      a sentence a row, a comma between its cells
fences, rules               nothing; what is inside a fence stays as it is
links, addresses            the link's text; the host's name
HTML                        the words; entities become their characters
footnote marks, pictographs nothing
=========================== ==========================================================================
"""

from __future__ import annotations

import html

from duologue.session import markup

# As much of what was said as is needed to see whether a line ended in a full stop and a few closing quotes.
_TAIL_CHARS = 12
# Control characters but tabs and line ends: no voice says them, and some take them for commands.
_CONTROL = dict.fromkeys([*range(9), 11, 12, *range(14, 32), *range(127, 160)])


class Speakable:
    """Incremental: deltas in, deltas out, and ``end`` for what waited."""

    def __init__(self) -> None:
        self._text = ""
        self._out: list[str] = []
        self._tail = ""
        self._before = ""
        self._is_end = False
        self._is_line_start = True
        # What the line is: "item" and "heading" owe a pause at their end.
        self._line = ""
        self._fence = ""
        self._next_number = 1
        # Something was left out here: words on its two sides stay two, spaces become one.
        self._has_gap = False

    def feed(self, text: str) -> str:
        """What of the text so far can be spoken and has not been given yet."""
        self._text += text.translate(_CONTROL)
        while self._text and self._step():
            pass
        return self._given()

    def end(self) -> str:
        """The rest."""
        self._is_end = True
        rest = self.feed("")
        self._pause(".")
        return rest + self._given()

    def _given(self) -> str:
        given = "".join(self._out)
        self._out.clear()
        return given

    def _step(self) -> bool:
        """Take at least a character, or come to know the line; False to wait for more."""
        if self._is_line_start:
            return self._begin_line()
        if self._fence:
            newline = self._text.find("\n")
            self._is_line_start = newline >= 0
            return self._say(self._text[: newline + 1] if newline >= 0 else self._text)
        if self._line and (spaces := markup.SPACES.match(self._text)):
            return self._space_within(spaces.end())
        plain = (markup.WORDS if self._line else markup.PLAIN).match(self._text)
        return self._say(plain[0]) if plain else self._sign()

    # --- taking and giving ------------------------------------------------------------------------------------

    def _take(self, length: int, replacement: str = "") -> bool:
        """Leave out so many characters; ``replacement`` is read in their place."""
        self._before = self._text[length - 1]
        self._text = replacement + self._text[length:]
        return True

    def _say(self, words: str, length: int | None = None) -> bool:
        """Give ``words`` for so many characters of the text; as many as they are, unless told."""
        self._take(len(words) if length is None else length)
        if self._has_gap and words:
            self._has_gap = False
            if words[0] == " " and (not self._tail or self._tail[-1].isspace()):
                words = words[1:]
            elif words[0].isalnum() and self._tail[-1:].isalnum():
                words = f" {words}"
        self._out.append(words)
        self._tail = (self._tail + words)[-_TAIL_CHARS:]
        return True

    def _leave_out(self, length: int) -> bool:
        self._has_gap = True
        return self._take(length)

    def _pause(self, sign: str) -> None:
        """End a heading or a list's item, where it has words and no pause of its own."""
        said = self._tail.rstrip(" \t")
        if self._line and said and said[-1] != "\n" and not markup.has_pause(said):
            self._out.append(sign)
            self._tail = (self._tail + sign)[-_TAIL_CHARS:]
        self._line = ""

    # --- lines ------------------------------------------------------------------------------------------------

    def _begin_line(self) -> bool:
        text = self._text
        if not self._is_end and markup.is_undecided_line(text, is_fenced=bool(self._fence)):
            return False
        if self._fence:
            return self._begin_fenced_line()
        if found := markup.RULE.match(text) or markup.QUOTE.match(text):
            return self._take(found.end())
        if found := markup.FENCE.match(text):
            self._fence = found[1][0]
            return self._take(found.end())
        if found := markup.ROW.match(text):
            words = markup.row_words(found[1])
            self._is_line_start = not words
            return self._take(found.end(), f"{words}\n" if words and found[0].endswith("\n") else words)
        self._is_line_start = False
        if found := markup.HEADING.match(text):
            self._line = "heading"
            return self._take(found.end())
        if found := markup.BULLET.match(text):
            self._line = "item"
            return self._take(found.end())
        if (found := markup.NUMBERED.match(text)) and self._goes_on_with(int(found[1])):
            self._line = "item"
            self._next_number = int(found[1]) + 1
            return self._say(f"{found[1]}, ", found.end())
        return True

    def _begin_fenced_line(self) -> bool:
        found = markup.FENCE_END.match(self._text)
        if found and found[1][0] == self._fence:
            self._fence = ""
            return self._take(found.end())
        self._is_line_start = False
        return True

    def _goes_on_with(self, number: int) -> bool:
        """Only a list counts from one on: "1984. It was a good year." stands at the start of a line as well."""
        return number in {1, self._next_number}

    def _newline(self) -> bool:
        if self._line == "item":
            rest = self._text.lstrip()
            if not self._is_end and markup.is_undecided_line(rest):
                return False
            # Where the next line goes on in mid-sentence there is no pause.
            if not rest[:1].islower():
                self._pause("," if self._is_item(rest) else ".")
        self._pause(".") if self._line == "heading" else None
        self._line = ""
        self._is_line_start = True
        return self._say("\n")

    def _is_item(self, text: str) -> bool:
        if markup.RULE.match(text):
            return False
        if text[:3].lower() == "<li":
            return True
        numbered = markup.NUMBERED.match(text)
        return bool(markup.BULLET.match(text) or (numbered and self._goes_on_with(int(numbered[1]))))

    def _space_within(self, length: int) -> bool:
        """Spaces of a line that gets a pause at its end: those before the pause go."""
        if length == len(self._text) and not self._is_end:
            return False
        if self._text[length : length + 1] in {"", "\n"}:
            return self._take(length)
        return self._say(self._text[:length])

    # --- signs ------------------------------------------------------------------------------------------------

    def _sign(self) -> bool:
        sign = self._text[0]
        if sign == "\n":
            return self._newline()
        if sign in "*_~`":
            return self._emphasis(sign)
        if sign in "![":
            return self._bracket()
        if sign == "<":
            return self._tag()
        if sign == "&":
            return self._entity()
        if sign == "\\":
            return self._escape()
        if sign in "hHwW":
            return self._address()
        if picture := markup.PICTURE.match(self._text):
            return self._leave_out(picture.end())
        # A joiner belongs to the pictures beside it, or to a script that needs it.
        return self._leave_out(1) if markup.PICTURE.match(self._before) else self._say(sign)

    def _emphasis(self, sign: str) -> bool:
        start = self._text[: markup.LONGEST_RUN]
        length = len(start) - len(start.lstrip(sign))
        if sign == "`" or length >= markup.LONGEST_RUN:
            return self._take(min(length, markup.LONGEST_RUN))
        if length == len(self._text) and not self._is_end:
            return False
        after = self._text[length : length + 1]
        stands_alone = (not self._before or self._before.isspace()) and (not after or after.isspace())
        # "2 * 3", "2*3", "snake_case" and "~5" mean their signs.
        is_within = self._before.isalnum() and after.isalnum()
        both_digits = self._before.isdigit() and after.isdigit()
        means_itself = {"*": is_within and (length == 1 or both_digits), "_": is_within, "~": length != 2}[sign]
        return self._say(sign * length) if stands_alone or means_itself else self._take(length)

    def _bracket(self) -> bool:
        """A link, an image, a footnote's mark, or a bracket."""
        text, start = self._text, 1 + (self._text[0] == "!")
        if text[start - 1 : start] != "[":
            return self._say("!") if len(text) > 1 or self._is_end else False
        inner = markup.bracketed(text, start)
        end = start + len(inner)
        if end + 1 >= len(text) and not self._is_end and (text[end:] == "]" or len(inner) < markup.LONGEST_BRACKET):
            return False
        if text[end : end + 1] != "]":
            return self._say(text[0])
        return self._bracketed(inner, end + 1)

    def _bracketed(self, inner: str, end: int) -> bool:
        """``inner`` in its brackets, which end at ``end``; what follows them tells what it is."""
        if link := markup.LINK.match(self._text, end):
            return self._take_link(inner, link.end(), markup.host_words(link[1]))
        if not self._is_end and markup.LINK_BEGUN.fullmatch(self._text, end):
            return False
        if markup.MARK.fullmatch(inner):
            return self._leave_out(end)
        if reference := markup.REFERENCE.match(self._text, end):
            return self._take_link(inner, reference.end())
        if not self._is_end and markup.REFERENCE_BEGUN.fullmatch(self._text, end):
            return False
        return self._say(self._text[0])

    def _take_link(self, inner: str, end: int, host: str = "") -> bool:
        """An image without a description has nothing to say."""
        words = inner.strip() or ("" if self._text[0] == "!" else host)
        if not words or markup.MARK.fullmatch(words):
            return self._leave_out(end)
        return self._take(end, words)

    def _tag(self) -> bool:
        if link := markup.AUTOLINK.match(self._text):
            return self._say(markup.host_words(link[1]), link.end())
        length, meaning = markup.tag_at_start(self._text)
        if length == 0:
            return self._say("<") if self._is_end or not markup.is_tag_begun(self._text) else False
        if meaning and (not self._tail or self._tail[-1] == "\n"):
            meaning = meaning[1:]
            self._is_line_start = bool(meaning)
        return self._take(length, meaning)

    def _entity(self) -> bool:
        if entity := markup.ENTITY.match(self._text):
            return self._say(html.unescape(entity[0]).replace("\u00a0", " "), entity.end())
        return self._say("&") if self._is_end or not markup.ENTITY_BEGUN.fullmatch(self._text) else False

    def _escape(self) -> bool:
        if markup.ESCAPE.match(self._text):
            return self._say(self._text[1], 2)
        return self._say("\\") if len(self._text) > 1 or self._is_end else False

    def _address(self) -> bool:
        if self._before.isalnum():
            return self._say(self._text[0])
        if found := markup.URL.match(self._text):
            if found.end() == len(self._text) and len(found[0]) < markup.LONGEST_URL and not self._is_end:
                return False
            url = markup.trimmed_url(found[0])
            if host := markup.host_words(url):
                return self._say(host, len(url))
        elif markup.is_url_begun(self._text) and not self._is_end:
            return False
        return self._say(self._text[0])

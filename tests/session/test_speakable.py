"""Markup goes, words stay, and the pieces in which the text comes do not matter."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from duologue.session.speakable import Speakable


def spoken(text: str) -> str:
    speakable = Speakable()
    return speakable.feed(text) + speakable.end()


CASES = {
    "**Hello** there, *how* are __you__, _dear_ ***friend***?": "Hello there, how are you, dear friend?",
    "Use `pip` or ``pip3``, ~~not conda~~.": "Use pip or pip3, not conda.",
    "2 * 3 is 6, 2*3 too, 2**3 is 8, snake_case, ~5": "2 * 3 is 6, 2*3 too, 2**3 is 8, snake_case, ~5",
    "Terms apply*": "Terms apply",
    "# Weather\nIt is sunny.": "Weather.\nIt is sunny.",
    "## How are you?\nFine.": "How are you?\nFine.",
    "#1 in the charts": "#1 in the charts",
    "Take:\n\n- apples\n- **pears**  \n- plums\n\nEnjoy!": "Take:\n\napples,\npears,\nplums.\n\nEnjoy!",
    "* It rains.\n* It pours!\n": "It rains.\nIt pours!\n",
    "• one\n  - two\n+ three": "one,\ntwo,\nthree.",
    "- [ ] milk\n- [x] bread": "milk,\nbread.",
    "- apples\nand pears": "apples\nand pears",
    "1. Heat the oven\n2. Bake\n\n3) Eat.": "1, Heat the oven,\n2, Bake,\n\n3, Eat.",
    "1984. It was a good year.": "1984. It was a good year.",
    "42. Anything else?": "42. Anything else?",
    "-5 degrees": "-5 degrees",
    "A\n\n---\n***\nB\n===\n": "A\n\nB\n",
    "> To be\n> - or not": "To be\nor not.",
    "```python\nx = 1  # _one_\n- 2\n```\nThat *is* it.": "x = 1  # _one_\n- 2\nThat is it.",
    "~~~\n```\n~~~\nok": "```\nok",
    "``` a tick too many": " a tick too many",
    "Read [the *docs*](https://a.example/x_(y) 'T'), [1](u) or [more][ref].": "Read the docs, or more.",
    "As shown [1] and [^note] and here†.": "As shown and and here.",
    "[laughs] a[0] is fine [so](this is no link)": "[laughs] a[0] is fine [so](this is no link)",
    "![A cat](cat.png) ![](dog.png) there": "A cat there",
    "See https://www.example.com/a/b?c=d, or www.foo.org. Bye": "See example.com, or foo.org. Bye",
    "(https://example.com/a_(b)) <https://x.example/y>": "(example.com) x.example",
    "why? http is how. www. https://": "why? http is how. www. https://",
    "[](https://example.com) [https://a.example](https://a.example/b)": "example.com a.example",
    "| Name | Age |\n|:--|--:|\n| Bo | 3 |\n| **Al** |  |\n\nDone": "Name, Age.\nBo, 3.\nAl.\n\nDone",
    "<p>Hello <b>you</b></p><ul><li>one</li>\n<li>two</li></ul>Bye<br/>now": "Hello you\none,\ntwo.\nBye\nnow",
    "<h2 class='x'>News</h2>None<!-- hidden -->.": "News.\nNone.",
    "a < b, c > d, x<y>z, <3, a<b and c>d": "a < b, c > d, x<y>z, <3, a<b and c>d",
    "Tom &amp; Jerry&nbsp;at AT&T; 5 &lt; 6 &c": "Tom & Jerry at AT&T; 5 < 6 &c",
    r"\*not\* C:\dir \_": "*not* C:\\dir _",
    "Great! 🎉 Let's go 😀there, hi😀you 👨‍👩‍👧👍🏽 1️⃣ 🇩🇪 yes ❤️": "Great! Let's go there, hi you 1 yes ",
    "🎉 Hello": "Hello",
    "क्‍ष stays": "क्‍ष stays",
    "": "",
}


@pytest.mark.parametrize(("written", "said"), CASES.items())
def test_what_is_said(written: str, said: str) -> None:
    assert spoken(written) == said


SIGNS = "* ** _ ~~ ` ``` # ## - + 1. 2) | |- --- > [ ] ]( ) ![ [1] [^a] < > </b> <b> <li> <br> <h1> &amp; & \\ ! . , :"
MARKUP = [
    *SIGNS.split(),
    "\n",
    "\n\n",
    " ",
    "  ",
    "https://a.example/b",
    "www.",
    "h",
    "ht",
    "http",
    "😀",
    "\ufe0f",
    "\u200d",
]
SOUP = st.lists(st.sampled_from([*MARKUP, "word", "Word", "7"]), max_size=25).map("".join)


@given(SOUP, st.lists(st.integers(1, 9), max_size=40))
@pytest.mark.parametrize("step", [1, 3, None])
def test_the_pieces_do_not_matter(step: int | None, text: str, sizes: list[int]) -> None:
    speakable, at, said = Speakable(), 0, ""
    for size in [step] * len(text) if step else sizes:
        said += speakable.feed(text[at : at + size])
        at += size
    assert said + speakable.feed(text[at:]) + speakable.end() == spoken(text)


@pytest.mark.parametrize("text", CASES)
def test_the_pieces_of_real_markup_do_not_matter(text: str) -> None:
    for size in range(1, 12):
        speakable = Speakable()
        said = "".join(speakable.feed(text[at : at + size]) for at in range(0, len(text), size))
        assert said + speakable.end() == spoken(text)


WORD = st.text("abcdhtpswHTW'äß漢字कि0123", min_size=1, max_size=8).filter(lambda word: word.strip("'") == word)
SENTENCE = st.builds(
    lambda words, links, end: "".join(w + link for w, link in zip(words, links, strict=False)).rstrip() + end,
    st.lists(WORD, min_size=1, max_size=12),
    st.lists(
        st.sampled_from([" ", " ", " ", ", ", " - ", " — ", "; ", ' "', '" ', " (", ") "]), min_size=12, max_size=12
    ),
    st.sampled_from([".", "!", "?", "...", "…", ":"]),
)
# A number and a full stop or a bracket at the start of a line count as a list's.
PROSE = st.lists(SENTENCE, max_size=5).map(" ".join).filter(lambda text: not re.match(r"\d+[.)] ", text))


@given(PROSE)
@example("That is 50% of $3.20, at 10:30 a.m. (say).")
@example("Ja, und? Nein -- doch!\n\nZweiter Absatz; 3/4 davon.")
def test_plain_prose_passes_as_it_is(text: str) -> None:
    assert spoken(text) == text


@given(PROSE)
def test_plain_prose_passes_at_once(text: str) -> None:
    """What waits at the end of a word may yet begin an address, an image or a list: so few letters, and no more."""
    speakable, said, fed = Speakable(), "", ""
    for word in re.findall(r"\s*\S+", text):
        fed += word
        said += speakable.feed(word)
        assert re.fullmatch(r"(h|ht|https?|w{1,3}|!|-|\d{1,3}[.)]?)?", fed[len(said) :], re.IGNORECASE)
    assert said + speakable.end() == text


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["{}", "# {}", "- {}", "1. {}", "> {}", "| {} | x |", "**{}**", "[{}](u)", "<b>{}</b>"]),
            WORD.filter(str.isalpha),
        ),
        max_size=8,
    )
)
def test_no_word_is_lost(lines: list[tuple[str, str]]) -> None:
    text = "\n".join(form.format(word) for form, word in lines)
    words = [word for _, word in lines]
    kept = re.findall(r"[\w']+", spoken(text))
    for word in words:
        assert word in kept


def test_only_what_may_be_markup_waits() -> None:
    speakable = Speakable()
    assert speakable.feed("Well, this is ") == "Well, this is "
    assert speakable.feed("**bold** and `co") == "bold and co"
    assert speakable.feed("de`, see [the do") == "de, see "
    assert speakable.feed("cs](https://exam") == ""
    assert speakable.feed("ple.com), a") == "the docs, a"
    assert speakable.feed(" h") == " "
    assert speakable.feed("at.\n- o") == "hat.\no"
    assert speakable.feed("ne\n") == "ne"
    assert speakable.end() == ".\n"


def test_a_second_end_adds_nothing() -> None:
    speakable = Speakable()
    assert speakable.feed("- one") + speakable.end() == "one."
    assert speakable.end() == ""


def test_a_bracket_without_an_end_waits_no_longer_than_a_link_would() -> None:
    speakable = Speakable()
    assert speakable.feed("[" + "word " * 50) == "[" + "word " * 50


@pytest.mark.parametrize("sign", ["*", "- ", "[", "| ", "<a ", "[x](", "\n ", "1. ", "<!--", "`", "_ "])
def test_endless_signs_are_got_through(sign: str) -> None:
    """As long as the longest answer; what is decided anew with every delta would take minutes."""
    speakable = Speakable()
    for _ in range(15_000):
        speakable.feed(sign)
    assert len(speakable.end()) <= 2 * 15_000 * len(sign)

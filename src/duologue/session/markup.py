"""What markup looks like in a chat model's text, whole and half come.

Patterns for Markdown (spec.commonmark.org, and GitHub's tables and footnotes) as models write it, and for stray HTML.
Where a piece of markup may still be coming, a pattern named ``..._BEGUN`` matches all of what there is; lengths are
bounded in the pattern, so that what is decided does not depend on how the text was cut.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_BULLETS = "-*+•‣◦▪–"
# Symbols that are pictures rather than words: emoji, dingbats, flags, with the marks that join and colour them.
_PICTURES = (
    "\U0001f000-\U0001faff\u2600-\u27bf\u2b05-\u2b07\u2b1b\u2b1c\u2b50\u2b55\u231a\u231b\u2328\u23cf\u23e9-\u23f3"
    "\u23f8-\u23fa\u25aa\u25ab\u25b6\u25c0\u25fb-\u25fe\u2934\u2935\u3030\u303d\u24c2"
)
_PICTURE_MARKS = "\ufe0f\u20e3\U000e0020-\U000e007f"
_FOOTNOTE_SIGNS = "†‡"
JOINER = "\u200d"

PICTURE = re.compile(f"[{_PICTURES}{_PICTURE_MARKS}{_FOOTNOTE_SIGNS}]+")
# Up to the next sign that may begin something. An address begins at the start of a word only.
PLAIN = re.compile(rf"(?:[^*_~`\[!<&\\hHwW\n{_PICTURES}{_PICTURE_MARKS}{_FOOTNOTE_SIGNS}{JOINER}]|(?<=\w)[hHwW])+")
SPACES = re.compile(r"[ \t]+")
WORDS = re.compile(rf"(?:[^*_~`\[!<&\\hHwW\s{_PICTURES}{_PICTURE_MARKS}{_FOOTNOTE_SIGNS}{JOINER}]|(?<=\w)[hHwW])+")

# --- at the start of a line -----------------------------------------------------------------------------------

RULE = re.compile(r"[ \t]*([-*_=])(?:[ \t]{0,3}\1){2,120}[ \t]{0,3}(?:\n|\Z)")
FENCE = re.compile(r"[ \t]*(```+|~~~+)(?:[^`\n]*\n|[ \t]*\Z)")
FENCE_END = re.compile(r"[ \t]*(```+|~~~+)[ \t]*(?:\n|\Z)")
HEADING = re.compile(r"[ \t]*#{1,6}[ \t]+(?=\S)")
QUOTE = re.compile(r"[ \t]*>[ \t]?")
BULLET = re.compile(rf"[ \t]*[{_BULLETS}][ \t]+(?=\S)")
NUMBERED = re.compile(r"[ \t]*(\d{1,3})[.)][ \t]+(?=\S)")
ROW = re.compile(r"[ \t]*\|([^\n]*)(?:\n|\Z)")

_LINE_BEGUN = re.compile(
    rf"""[ \t]*(?:
        | ([-*_=])(?:[ \t]{{0,3}}\1){{0,120}}[ \t]{{0,3}}
        | [{_BULLETS}][ \t]*
        | \#{{1,6}}[ \t]*
        | \d{{1,3}}(?:[.)][ \t]*)?
        | >
        | <l?
        | `{{1,2}} | ~{{1,2}} | (?:```+|~~~+)[^`\n]*
        | \|[^\n]*
    )""",
    re.VERBOSE,
)
_FENCED_LINE_BEGUN = re.compile(r"[ \t]*(?:`*|~*)[ \t]*")

_CELL_EDGE = re.compile(r"(?<!\\)\|")
_CELL_RULE = re.compile(r":?-+:?")
_ENDED = re.compile(r"""[.!?:;,…。！？：；，、]["'”’»)\]*_]*\s*\Z""")


def is_undecided_line(text: str, *, is_fenced: bool = False) -> bool:
    """Whether the start of a line may still become anything."""
    return (_FENCED_LINE_BEGUN if is_fenced else _LINE_BEGUN).fullmatch(text) is not None


def row_words(row: str) -> str:
    """A table's row, given from its first cell on, as a sentence; "" for the line under its head."""
    cells = [cell.strip() for cell in _CELL_EDGE.split(row)]
    cells = [cell.replace("\\|", "|") for cell in cells if cell]
    if all(_CELL_RULE.fullmatch(cell) for cell in cells):
        return ""
    sentence = ", ".join(cells)
    return sentence if has_pause(sentence) else f"{sentence}."


def has_pause(text: str) -> bool:
    """Whether ``text`` ends in a sign at which a voice pauses."""
    return _ENDED.search(text) is not None


# --- within a line --------------------------------------------------------------------------------------------

# More in a row is a drawing.
LONGEST_RUN = 60
LONGEST_BRACKET = 200
_BRACKET = re.compile(rf"[^\[\]\n]{{0,{LONGEST_BRACKET}}}")
REFERENCE = re.compile(r"\[[^\[\]\n]{0,200}\]")
REFERENCE_BEGUN = re.compile(r"\[[^\[\]\n]{0,200}")
# "[1]", "[^note]", and a task's box.
MARK = re.compile(r"\^?[1-9]\d{0,2}|\^[\w-]{1,40}|[ xX]")
_URL_PART = r"(?:[^\s()<>]|\([^\s()]{0,200}\)){0,2000}"
LINK = re.compile(rf"""\([ \t]*<?({_URL_PART})>?(?:[ \t]+(?:"[^"\n]{{0,300}}"|'[^'\n]{{0,300}}'))?[ \t]*\)""")
LINK_BEGUN = re.compile(
    rf"""\([ \t]*<?{_URL_PART}(?:\([^\s()]{{0,200}}|>?(?:[ \t]+(?:"[^"\n]{{0,300}}"?|'[^'\n]{{0,300}}'?)?)?[ \t]*)?"""
)

ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,7}|#[xX][0-9a-fA-F]{1,6});")
ENTITY_BEGUN = re.compile(r"&(?:[a-zA-Z]{0,8}|#\d{0,7}|#[xX][0-9a-fA-F]{0,6})")
ESCAPE = re.compile(r"\\[\\`*_{}\[\]()#+.!|<>~-]")

_URL_STARTS = ("http://", "https://", "www.")
LONGEST_URL = 2000
URL = re.compile(rf"(?=(?:https?://|www\.)\w)[^\s<>\"`*|\[\]{{}}]{{1,{LONGEST_URL}}}", re.IGNORECASE)
_AFTER_URL = ".,;:!?'’”_~"


def bracketed(text: str, start: int) -> str:
    """What stands between a bracket before ``start`` and the next one, or all of it that may be a link's text."""
    found = _BRACKET.match(text, start)
    return found[0] if found else ""


def is_url_begun(text: str) -> bool:
    """Whether the text may become an address, all of it being too little to tell."""
    return any(start.startswith(text.lower()) and len(text) <= len(start) for start in _URL_STARTS)


def trimmed_url(url: str) -> str:
    """``url`` without the punctuation of the sentence that it stands in."""
    while url and (url[-1] in _AFTER_URL or (url[-1] == ")" and url.count(")") > url.count("("))):
        url = url[:-1]
    return url


def host_words(url: str) -> str:
    """What a person would say of an address: its host, without "www"; "" where there is none."""
    try:
        host = urlsplit(url if "://" in url else f"//{url}").hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


_LONGEST_TAG_CHARS = 300
_INLINE_TAGS = frozenset(
    re.findall(
        r"\S+",
        """a abbr b bdi bdo big center cite code data del dfn em emphasis font i ins kbd label mark prosody q rp rt ruby
        s samp say-as small span speak strike strong sub sup time tt u var voice wbr""",
    )
)
_BLOCK_TAGS = frozenset(
    re.findall(
        r"\S+",
        """article aside blockquote body br break dd details div dl dt figcaption figure footer h1 h2 h3 h4 h5 h6 head
        header hr html img li main ol p pre section summary table tbody td tfoot th thead title tr ul""",
    )
)
_TAGS = _INLINE_TAGS | _BLOCK_TAGS
_BLOCK_MEANINGS = {"li": "\n- ", **{f"h{level}": "\n# " for level in range(1, 7)}}
_TAG = re.compile(
    r"""</?([a-zA-Z][a-zA-Z0-9-]*)(?:[ \t]+[\w:-]+[ \t]*=[ \t]*(?:"[^"<>\n]*"|'[^'<>\n]*'|[^\s"'<>=]+))*[ \t]*/?>"""
)
_TAG_BEGUN = re.compile(r"</?(?:([a-zA-Z][a-zA-Z0-9-]*)([ \t/][^<>\n]*)?)?")
_COMMENT = re.compile(r"<!--(?:(?!-->)[\s\S]){0,300}-->")
_COMMENT_BEGUN = re.compile(r"<(?:!(?:-(?:-(?:(?!-->)[\s\S]){0,300})?)?)?")
AUTOLINK = re.compile(r"<((?:https?://)[^\s<>]{1,2000})>", re.IGNORECASE)
_AUTOLINK_BEGUN = re.compile(r"<(?:h(?:t(?:t(?:p(?:s?(?::(?:/(?:/[^\s<>]{0,2000})?)?)?)?)?)?)?)?", re.IGNORECASE)


def tag_at_start(text: str) -> tuple[int, str]:
    """How long the HTML tag or comment is that ``text`` begins with (0: none), and what of Markdown it stands for."""
    if comment := _COMMENT.match(text):
        return comment.end(), ""
    tag = _TAG.match(text)
    if tag is None or tag.end() > _LONGEST_TAG_CHARS or tag[1].lower() not in _TAGS:
        return 0, ""
    name = tag[1].lower()
    if name in _INLINE_TAGS:
        return tag.end(), ""
    if text.startswith("</"):
        return tag.end(), "" if name == "li" else "\n"
    return tag.end(), _BLOCK_MEANINGS.get(name, "\n")


def is_tag_begun(text: str) -> bool:
    """Whether all of ``text`` may be the start of a tag, comment or address in angle brackets."""
    if _COMMENT_BEGUN.fullmatch(text) or _AUTOLINK_BEGUN.fullmatch(text):
        return True
    begun = _TAG_BEGUN.fullmatch(text)
    if begun is None or len(text) > _LONGEST_TAG_CHARS:
        return False
    name = (begun[1] or "").lower()
    return name in _TAGS if begun[2] else any(tag.startswith(name) for tag in _TAGS)

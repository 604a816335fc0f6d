"""What is remembered: the order of items, and of an answer only what was heard."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.base import ChatMessage, ToolCall
from duologue.errors import ClientError
from duologue.events import Message, Part, PartKind, Role
from duologue.session.chat_prompt import PROMPT_WORDS, Window, messages, prompt
from duologue.session.history import Entry, HeardWord, History, snapshot

WORDS = "one two three four"


def _item(name: str, text: str | None = "words", role: Role = "user") -> Message:
    kind: PartKind = "output_audio" if role == "assistant" else "input_text"
    return Message(id=name, role=role, parts=(Part(kind=kind, text=text),))


def _answer(history: History, text: str = WORDS, word_ms: float = 100) -> Entry:
    """An answer whose words are ``word_ms`` long each, and heard from their middle."""
    entry = history.add(_item("answer", text, "assistant"))
    at = 0
    for index, word in enumerate(text.split()):
        at = text.index(word, at) + len(word)
        entry.words.append(HeardWord(at, word_ms * (index + 0.5)))
    return entry


def _ids(history: History) -> list[str]:
    return [entry.item.id for entry in history]


@pytest.mark.parametrize(
    ("heard_ms", "heard"),
    [
        (-50, ""),
        (0, ""),
        (49, ""),
        (50, "one"),
        (149, "one"),
        (150, "one two"),
        (399, "one two three four"),
        (10_000, "one two three four"),
    ],
)
def test_an_answer_is_cut_at_the_last_word_that_was_heard(heard_ms: float, heard: str) -> None:
    history = History()
    entry = _answer(history)
    history.cut(entry, heard_ms)
    assert entry.heard_text == heard
    assert entry.text == WORDS
    assert snapshot(entry).parts[0].text == heard


def test_the_last_cut_counts_whether_it_is_shorter_or_longer() -> None:
    history = History()
    entry = _answer(history)
    history.cut(entry, 150)
    history.cut(entry, 50)
    assert entry.heard_text == "one"
    history.cut(entry, 260)
    assert entry.heard_text == "one two three"


def test_a_prompt_marks_where_an_answer_was_cut() -> None:
    history = History()
    history.cut(_answer(history), 150)
    assert [m.content for m in messages(history)] == ["one two ..."]


def test_an_answer_cut_before_its_first_word_leaves_the_prompt() -> None:
    history = History()
    history.add(_item("u", "hello"))
    history.cut(_answer(history), 10)
    assert _same(prompt("", messages(history)), [("user", "hello")])


def test_a_cut_behind_the_last_word_leaves_no_mark() -> None:
    history = History()
    history.cut(_answer(history), 1_000)
    assert [m.content for m in messages(history)] == [WORDS]


def test_each_thing_that_a_prompt_would_show_changes_the_version() -> None:
    history = History()
    versions = [history.version]

    def note() -> None:
        versions.append(history.version)

    entry = _answer(history)
    note()
    history.cut(entry, 100)
    note()
    history.set_words(history.add(_item("u", None)), "hello")
    note()
    history.remove("u")
    note()
    assert len(set(versions)) == len(versions)


def test_items_go_where_they_are_wanted() -> None:
    history = History()
    for name, after in [("a", None), ("b", None), ("front", "root"), ("between", "a")]:
        history.add(_item(name), after)
    assert _ids(history) == ["front", "a", "between", "b"]
    assert [history.previous_id(name) for name in _ids(history)] == [None, "front", "a", "between"]
    assert history.last_id() == "b"


@pytest.mark.parametrize(
    ("name", "after", "code"),
    [
        ("a", None, "item_create_duplicate_item_id"),
        ("b", "nowhere", "item_create_invalid_previous_item_id"),
    ],
)
def test_an_impossible_place_is_refused_and_changes_nothing(name: str, after: str | None, code: str) -> None:
    history = History()
    history.add(_item("a"))
    with pytest.raises(ClientError) as refused:
        history.add(_item(name), after)
    assert refused.value.code == code
    assert _ids(history) == ["a"]


@pytest.mark.parametrize("act", ["delet", "retriev", "truncat"])
def test_what_is_not_there_is_named(act: str) -> None:
    with pytest.raises(ClientError, match="'ghost' does not exist") as refused:
        History().require("ghost", act)
    assert refused.value.code == f"item_{act}e_invalid_item_id"
    assert refused.value.param == "item_id"


def test_words_that_are_not_known_yet_are_left_out() -> None:
    history = History()
    entry = history.add(_item("u", None))
    assert entry.text is None
    assert prompt("", messages(history)) == ()
    history.set_words(entry, "hello")
    assert _same(prompt("", messages(history)), [("user", "hello")])


# --- the prompt -------------------------------------------------------------------------------------------------


def _same(messages: tuple[ChatMessage, ...], wanted: list[tuple[str, str]]) -> bool:
    return [(m.role, m.content) for m in messages] == wanted


def test_neighbours_of_one_role_become_one_message() -> None:
    said = [ChatMessage("user", "a"), ChatMessage("user", "b"), ChatMessage("assistant", ""), ChatMessage("user", "c")]
    assert _same(prompt("be kind", said), [("system", "be kind"), ("user", "a\nb\nc")])


roles: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant", "system"])
talks = st.lists(st.builds(ChatMessage, roles, st.sampled_from(["", "one", "two words", "w " * 900])), max_size=12)


@given(talks, st.sampled_from(["", "be kind"]))
def test_any_talk_makes_a_prompt_that_models_take(said: list[ChatMessage], instructions: str) -> None:
    got = list(prompt(instructions, Window().fit(said, 1.0, None)))
    if instructions:
        assert (got[0].role, got[0].content) == ("system", instructions)
        got = got[1:]
    assert all(message.content for message in got)
    assert all(a.role != b.role for a, b in itertools.pairwise(got))
    assert len(got) <= 1 or sum(len(m.content.split()) for m in got) <= PROMPT_WORDS
    assert bool(got) == any(message.content for message in said)


def test_the_oldest_is_forgotten_first_and_the_newest_never() -> None:
    long = "w " * (PROMPT_WORDS // 2)
    said = [ChatMessage("user", "first"), ChatMessage("assistant", long), ChatMessage("user", long + "x")]
    assert [m.role for m in Window().fit(said, 1.0, None)] == ["user"]
    assert len(Window().fit([ChatMessage("user", "w " * PROMPT_WORDS * 2)], 1.0, None)) == 1


def test_nothing_is_forgotten_where_the_client_says_so() -> None:
    said = [ChatMessage("user", "w " * PROMPT_WORDS), ChatMessage("user", "x")]
    assert Window().fit(said, None, None) == said


def test_what_has_left_the_prompt_stays_out_until_it_is_full_again() -> None:
    """A retention ratio of a half: the beginning of the prompt, which a model has cached, changes seldom."""
    window, said, starts = Window(), [], []
    for number in range(40):
        said.append(ChatMessage("user", f"{number} " + "w " * 299))
        starts.append(window.fit(said, 0.5, None)[0].content.split()[0])
    assert len(set(starts)) <= 10
    assert starts[-1] not in ("0", "39")


def test_a_result_is_not_left_without_its_call() -> None:
    call = ToolCall("call_1", "f", "{}")
    told = [
        ChatMessage("user", "x " * 2_000),
        ChatMessage("assistant", "", tool_calls=(call,)),
        ChatMessage("tool", "y " * 1_500, tool_call_id="call_1"),
        ChatMessage("user", "z " * 899),
    ]
    assert [m.role for m in Window().fit(told, 1.0, None)] == ["user"]

"""What is remembered: the order of items, and of an answer only what was heard."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from duologue.engines.base import ChatMessage
from duologue.errors import ClientError
from duologue.items import FunctionCall, FunctionOutput, Message, Part, PartKind, Role
from duologue.session.chat_prompt import PROMPT_WORDS, Step, Window, messages, prompt, steps
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


def _fit(said: list[ChatMessage], share: float | None = 1.0, window: Window | None = None) -> list[ChatMessage]:
    """Each a step of its own."""
    return (window or Window()).fit([Step(str(n), [message]) for n, message in enumerate(said)], share, None)


def _same(messages: tuple[ChatMessage, ...], wanted: list[tuple[str, str]]) -> bool:
    return [(m.role, m.content) for m in messages] == wanted


def test_neighbours_of_one_role_become_one_message() -> None:
    said = [ChatMessage("user", "a"), ChatMessage("user", "b"), ChatMessage("assistant", ""), ChatMessage("user", "c")]
    assert _same(prompt("be kind", said), [("system", "be kind"), ("user", "a\nb\nc")])


roles: st.SearchStrategy[Role] = st.sampled_from(["user", "assistant", "system"])
talks = st.lists(st.builds(ChatMessage, roles, st.sampled_from(["", "one", "two words", "w " * 900])), max_size=12)


@given(talks, st.sampled_from(["", "be kind"]))
def test_any_talk_makes_a_prompt_that_models_take(said: list[ChatMessage], instructions: str) -> None:
    got = list(prompt(instructions, _fit(said)))
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
    assert [m.role for m in _fit(said)] == ["user"]
    assert len(_fit([ChatMessage("user", "w " * PROMPT_WORDS * 2)])) == 1


def test_nothing_is_forgotten_where_the_client_says_so() -> None:
    said = [ChatMessage("user", "w " * PROMPT_WORDS), ChatMessage("user", "x")]
    assert _fit(said, None) == said


def test_what_has_left_the_prompt_stays_out_until_it_is_full_again() -> None:
    """A retention ratio of a half: the beginning of the prompt, which a model has cached, changes seldom."""
    window, said, starts = Window(), [], []
    for number in range(40):
        said.append(ChatMessage("user", f"{number} " + "w " * 299))
        starts.append(_fit(said, 0.5, window)[0].content.split()[0])
    assert len(set(starts)) <= 10
    assert starts[-1] not in ("0", "39")


def _talk_with_tools(result: str = "y ", words: int = 1_500) -> History:
    """A question, two calls side by side with their results, an answer, and another question."""
    history = History()
    history.add(Message(id="u1", role="user", parts=(Part(kind="input_text", text="x " * 900),)))
    for number in (1, 2):
        history.add(FunctionCall(id=f"c{number}", call_id=f"call_{number}", name="f", arguments="{}"))
    for number in (1, 2):
        history.add(FunctionOutput(id=f"o{number}", call_id=f"call_{number}", output=result * words))
    return history


@pytest.mark.parametrize("words", [10, 1_500, 4_000])
@pytest.mark.parametrize(("share", "tokens"), [(1.0, None), (0.5, None), (0.8, 1_000), (0.0, None)])
def test_results_come_behind_their_calls_and_the_question_before(words: int, share: float, tokens: int | None) -> None:
    told = Window().fit(steps(_talk_with_tools(words=words)), share, tokens)
    assert [message.role for message in told] == ["user", "assistant", "tool", "tool"]
    assert [call.id for call in told[1].tool_calls] == [message.tool_call_id for message in told[2:]]
    assert all(message.content for message in told[2:])


def test_long_results_leave_room_for_the_talk() -> None:
    told = Window().fit(steps(_talk_with_tools(words=3_000)), 1.0, None)
    assert sum(len(message.content.split()) for message in told) <= PROMPT_WORDS


def test_what_has_left_the_prompt_stays_out_though_others_come_and_go() -> None:
    """Where it began is known by its item: counting would begin at a result without its call."""
    history, window = _talk_with_tools(words=10), Window()
    history.add(Message(id="a1", role="assistant", parts=(Part(kind="output_text", text="y " * 1_000),)))
    history.add(Message(id="u2", role="user", parts=(Part(kind="input_text", text="z " * 600),)))
    assert window.fit(steps(history), 1.0, None)[0].tool_calls
    history.add(Message(id="s", role="system", parts=(Part(kind="input_text", text="be kind"),)), after="root")
    told = window.fit(steps(history), 1.0, None)
    assert told[0].tool_calls
    history.remove("s")
    history.remove("u1")
    assert window.fit(steps(history), 1.0, None)[0].tool_calls


# --- what has changed -------------------------------------------------------------------------------------------


def test_every_change_marks_its_entry_and_is_told() -> None:
    history = History()
    told: list[Entry | None] = []
    history.on_change = told.append
    user, answer = history.add(_item("u", None)), _answer(history)
    since = history.changes
    assert history.changed_since(since) == []
    changes = [
        (user, lambda: history.set_words(user, "hello")),
        (answer, lambda: history.cut(answer, 250)),
        (answer, lambda: history.truncate(answer, 150)),
        (answer, lambda: history.note_backchannel(answer, "mm-hm")),
        (answer, lambda: history.note(answer)),
        (user, lambda: history.touch(user)),
    ]
    for entry, change in changes:
        since = history.changes
        change()
        assert history.changed_since(since) == [entry]
        assert told[-1] is entry
    assert history.changed_since(0) == [user, answer]
    since, version = history.changes, history.version
    history.remove("u")
    assert (history.changed_since(since), told[-1]) == ([], None)
    assert (history.changes, history.version) == (since + 1, version + 1)


def test_a_growing_answer_makes_no_prompt_stale() -> None:
    history = History()
    entry = history.add(_item("a", "one", "assistant"))
    version = history.version
    history.note(entry)
    assert history.version == version


# --- what leaves the prompt -------------------------------------------------------------------------------------


def test_where_the_prompt_begins_is_told_once_for_each_move() -> None:
    window, said, moves = Window(400), [], []
    for number in range(20):
        said.append(ChatMessage("user", f"{number} " + "w " * 49))
        begins = int(_fit(said, 0.5, window)[0].content.split()[0])
        moved = window.moved()
        moves += [] if moved is None else [int(moved)]
        assert begins == (moves[-1] if moves else 0)
        assert window.moved() is None
    assert moves == sorted(set(moves))
    assert len(moves) > 2


def test_a_longer_context_holds_more() -> None:
    said = [ChatMessage("user", "w " * 100) for _ in range(40)]
    assert [len(_fit(said, 1.0, Window(tokens))) for tokens in (256, 1_000, 3_200, 100_000)] == [1, 7, 24, 40]


def test_words_that_stand_apart_are_not_the_beginning() -> None:
    """What the user asked is told however long ago it was; what lies between is not."""
    window = Window(400)
    said = [Step("asked", [ChatMessage("user", "w " * 50)])]
    said += [Step(f"step_{n}", [ChatMessage("assistant", "w " * 60)]) for n in range(8)]
    told = window.fit(said, 1.0, None)
    assert (told[0].role, len(told)) == ("user", 5)
    assert window.moved() == "step_4"
    said.append(Step("step_8", [ChatMessage("assistant", "w " * 60)]))
    window.fit(said, 1.0, None)
    assert window.moved() == "step_5"


def test_where_older_turns_are_told_again_that_is_told_too() -> None:
    window = Window(400)
    said = [Step(str(n), [ChatMessage("user", "w " * 200)]) for n in range(3)]
    window.fit(said, 1.0, None)
    assert window.moved() == "2"
    window.fit(said[:1], 1.0, None)
    assert window.moved() == "0"
    assert window.moved() is None

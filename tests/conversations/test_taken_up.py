"""A talk that ends and goes on in another session: the model is told what it would have been told."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio
import pytest

from duologue.engines.base import ChatDelta, ChatMessage, ChatRequest, ToolCallDelta
from duologue.engines.scripted import ScriptedStream, ScriptedSynthesizer
from duologue.engines.scripted_tools import ScriptedToolServers
from duologue.events import (
    ContextTrimmed,
    CreateItem,
    CreateReply,
    DeleteItem,
    Failed,
    ItemDeleted,
    ItemRetrieved,
    ItemTruncated,
    PlayoutStopped,
    ReplyAudio,
    ReplyDone,
    ReplyItemStarted,
    ReplyStarted,
    ReplyTimed,
    RetrieveItem,
    SpeechStopped,
    TruncateItem,
    TurnCommitted,
)
from duologue.items import (
    FunctionCall,
    FunctionOutput,
    FunctionTool,
    McpServer,
    McpTool,
    Message,
    Part,
    SessionConfig,
    TurnDetection,
    new_id,
)
from duologue.session.chat_prompt import messages
from duologue.session.history import Entry, History
from duologue.session.kept import entry_of, is_kept, record_of
from duologue.session.replies import Ways
from duologue.store.codec import decode, encode
from tests.conversations.long_answer import LONG, WORD_S, assistant_words, long_answer_engines, until_heard
from tests.conversations.over_answer import over_answer
from tests.conversations.talk import Person, Prompts, engines, hear_voices, talk
from tests.virtual_time import VIRTUAL

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> object:
    return VIRTUAL


def written_and_read(history: History) -> list[Entry]:
    """By way of what the database has of it."""
    records = [decode(*encode(record_of(entry, 0.0))) for entry in history if is_kept(entry)]
    return [entry_of(record) for record in records if record is not None]


def typed(text: str, name: str) -> CreateItem:
    return CreateItem(item=Message(id=name, role="user", parts=(Part(kind="input_text", text=text),)))


class Model(ScriptedStream[ChatRequest, ChatDelta]):
    """Calls what the user's last word names, tells a long story, else says "Yes."; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[ChatRequest] = []

    async def results(self, request: ChatRequest) -> AsyncGenerator[ChatDelta, None]:
        self.asked.append(request)
        last = request.messages[-1]
        names = {tool.name for tool in request.tools} & {last.content.split()[-1] if last.role == "user" else ""}
        if names:
            yield ChatDelta("", tool_call=ToolCallDelta(0, "id0", names.pop(), '{"a": 1}'))
            yield ChatDelta("", finish="tool_calls")
            return
        yield ChatDelta(LONG if last.content.endswith("story") else "Yes.", finish="stop")

    @property
    def told(self) -> list[ChatMessage]:
        return list(self.asked[-1].messages)


HOUSE = McpServer(label="house", url="http://mcp/", asks_first=frozenset())
TOOLS = SessionConfig(
    tools=(FunctionTool(name="weather"), HOUSE), turn_detection=TurnDetection(silence_ms=300), show_transcript=True
)


def _servers() -> ScriptedToolServers:
    return ScriptedToolServers({"house": [McpTool(name="clock")]}, {"clock": "noon"})


async def _ask(person: Person, text: str) -> None:
    """And wait for the end of the answer."""
    done = len(person.heard(ReplyDone))
    await person.tell(typed(text, new_id("item")))
    await person.tell(CreateReply())
    await person.until(ReplyDone, done + 1)


async def _talk_of_everything(person: Person) -> None:
    """Typed words, a function with its result, a tool of an MCP server, an answer that is interrupted."""
    await anyio.sleep(0.3)
    await _ask(person, "Hello.")
    await _ask(person, "Tell me the weather")
    [call] = [item for done in person.heard(ReplyDone) for item in done.output if isinstance(item, FunctionCall)]
    await person.tell(CreateItem(item=FunctionOutput(id="out", call_id=call.call_id, output="rain")))
    await person.tell(CreateReply())
    await person.until(ReplyDone, 3)
    await _ask(person, "Look at the clock")
    await person.until(ReplyDone, 5)
    await person.until(PlayoutStopped, 3)
    audio = len(person.heard(ReplyAudio))
    await person.tell(typed("Tell me a story", "story"))
    await person.tell(CreateReply())
    await person.until(ReplyAudio, audio + 1)
    await anyio.sleep(1.6)
    await person.speak(0.8)
    await person.until(ReplyDone, 7)
    await person.until(PlayoutStopped, 4)


async def test_the_next_session_asks_the_very_prompt_that_this_one_would() -> None:
    model = Model()
    stages = {"chat": model, "tts": ScriptedSynthesizer(word_s=WORD_S), "asr": hear_voices("Please stop.")}
    async with talk(engines(**stages), TOOLS, servers=_servers()) as (person, session):
        await _talk_of_everything(person)
        entries = written_and_read(session.history)
        await _ask(person, "And now?")
    told = model.told
    cut = [message.content for message in told if message.content.endswith(" ...")]
    assert [text.split()[0] for text in cut] == ["word0"]
    assert [message.content for message in told if message.role == "tool"] == ["rain", "noon"]
    async with talk(engines(**stages), TOOLS, servers=_servers(), entries=entries) as (later, _):
        await anyio.sleep(0.3)
        assert not later.heard(TurnCommitted) + later.heard(ReplyStarted)
        await _ask(later, "And now?")
    assert repr(model.told) == repr(told)


async def test_who_only_listened_is_remembered() -> None:
    prompts: Prompts = []
    ways = Ways(holds_sound=True)
    async with over_answer(ways, prompts=prompts) as (person, session):
        await person.murmur(0.44)
        await person.until(PlayoutStopped)
        entries = written_and_read(session.history)
        assert [entry.backchannels for entry in entries] == [[], ["Mm-hm."]]
        assert repr(messages(entries)) == repr(messages(session.history))


async def test_who_hangs_up_in_mid_answer_has_heard_so_much_of_it() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts)) as (person, session):
        await until_heard(person, 2.0)
        heard_ms = person.played_ms(person.heard(ReplyItemStarted)[0].item.id, anyio.current_time())
        history = session.history
    [_, answer] = history
    assert answer.item.status == "incomplete"
    words = answer.heard_text.split()
    assert abs(len(words) - heard_ms / 1000 / WORD_S) <= 1
    async with talk(long_answer_engines(prompts), entries=written_and_read(history)) as (later, _):
        await _ask(later, "Go on.")
    assert assistant_words(prompts[-1]) == words


async def test_a_function_may_answer_after_the_connection_was_lost() -> None:
    model = Model()
    async with talk(engines(chat=model), TOOLS, servers=_servers()) as (person, session):
        await _ask(person, "Tell me the weather")
        entries = written_and_read(session.history)
        [call] = [entry.item for entry in entries if isinstance(entry.item, FunctionCall)]
    async with talk(engines(chat=model), TOOLS, servers=_servers(), entries=entries) as (later, _):
        await later.tell(CreateItem(item=FunctionOutput(id="out", call_id=call.call_id, output="rain")))
        await later.tell(CreateReply())
        await later.until(ReplyDone)
    assert [(m.role, m.content) for m in model.told][-1] == ("tool", "rain")
    assert not later.heard(Failed)


async def test_what_was_said_before_can_be_retrieved_truncated_and_deleted() -> None:
    prompts: Prompts = []
    async with talk(long_answer_engines(prompts, "one two three four.")) as (person, session):
        await person.speak(1.0)
        await person.until(PlayoutStopped)
        user, answer = entries = written_and_read(session.history)
    async with talk(long_answer_engines(prompts), entries=entries) as (later, _):
        await later.tell(TruncateItem(item_id=answer.item.id, audio_end_ms=500))
        await later.tell(RetrieveItem(item_id=answer.item.id))
        await later.tell(RetrieveItem(item_id=user.item.id))
        await later.until(ItemRetrieved, 2)
        shown = [each.item for each in later.heard(ItemRetrieved)]
        assert [item.parts[0].text for item in shown if isinstance(item, Message)] == ["one two", "Please stop."]
        await later.tell(DeleteItem(item_id=user.item.id))
        await _ask(later, "And?")
        assert (len(later.heard(ItemTruncated)), len(later.heard(ItemDeleted))) == (1, 1)
    assert prompts[-1] == [("assistant", "one two ..."), ("user", "And?")]


async def test_what_leaves_the_prompt_is_said_and_not_for_what_was_never_answered() -> None:
    """Each turn is forty words, its answer two: of a prompt of 256 tokens four turns. Pauses start attempts, whose
    prompts are longer by the turn that they try."""
    prompts: Prompts = []
    client = long_answer_engines(prompts, "Second answer.", asr=hear_voices("word " * 40))
    async with talk(client, ways=Ways(context_tokens=256)) as (person, _):
        for turn in range(1, 9):
            await person.speak(0.8)
            await anyio.sleep(0.2)
            await person.speak(0.5)
            await person.until(PlayoutStopped, turn)
            await anyio.sleep(0.5)
    items = [entry.item_id for entry in person.heard(TurnCommitted)]
    moved = [event.first_item_id for event in person.heard(ContextTrimmed)]
    assert moved
    assert len(set(moved)) == len(moved)
    assert set(moved) <= {*items, *(started.item.id for started in person.heard(ReplyItemStarted))}
    # Said with the answer that was told less, and with no other.
    for at_s, event in person.log:
        if isinstance(event, ContextTrimmed):
            assert any(abs(begun_s - at_s) < 0.001 for begun_s in person.times(ReplyItemStarted))


async def test_a_long_conversation_of_the_past_is_trimmed_with_the_first_answer() -> None:
    prompts: Prompts = []
    past = [
        Entry(Message(id=f"past{n}", role="user", parts=(Part(kind="input_text", text=f"{n} " + "word " * 49),)))
        for n in range(10)
    ]
    async with talk(long_answer_engines(prompts), ways=Ways(context_tokens=256), entries=past) as (person, _):
        await person.tell(RetrieveItem(item_id="past0"))
        await person.until(ItemRetrieved)
        await _ask(person, "And now?")
    [moved] = person.heard(ContextTrimmed)
    assert moved.first_item_id == "past7"
    assert prompts[-1][0][1].split()[0] == "7"


async def test_a_turn_longer_than_the_prompt_is_no_end_of_memory() -> None:
    prompts: Prompts = []
    client = long_answer_engines(prompts, "Second answer.", asr=hear_voices("word " * 300))
    async with talk(client, ways=Ways(context_tokens=256)) as (person, _):
        await person.speak(0.8)
        await person.until(PlayoutStopped)
        await _ask(person, "One.")
        await _ask(person, "Two.")
    assert [text for role, text in prompts[-1] if role == "user"][-2:] == ["One.", "Two."]


async def test_a_turns_times_count_from_a_moment_of_its_sound() -> None:
    async with talk() as (person, _):
        for turn in range(1, 3):
            await person.speak(1.0)
            await person.until(PlayoutStopped, turn)
    timed = person.heard(ReplyTimed)
    assert [each.audio_end_ms for each in timed] == [each.at_ms for each in person.heard(SpeechStopped)]
    assert timed[0].audio_end_ms == pytest.approx(1_000, abs=64)

"""The making of answers: what is asked, of which model, and how it is said."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Collection, Iterable

import anyio
import msgspec
from anyio.abc import TaskGroup

from duologue.audio.frame import Float32
from duologue.engines.base import ChatMessage, SpeechRequest
from duologue.engines.client import SPEECH, EngineClient
from duologue.engines.pressure import NO_PRESSURE, Pressure
from duologue.errors import CapacityError, ClientError, EngineError
from duologue.events import ContextTrimmed
from duologue.items import Item, ItemReference, Message, ReplyOptions, SessionConfig, new_id
from duologue.session.asking import NO_TOOLS, Asking, Offer, Prompt
from duologue.session.chat_prompt import CONTEXT_TOKENS, Step, Window, prompt, steps
from duologue.session.conversation import Conversation
from duologue.session.hearing import without_sound
from duologue.session.history import Entry
from duologue.session.prompts import entries_prompt, heard_prompt, history_prompt, turn_prompt
from duologue.session.reply import Reply, manner_of
from duologue.session.tools import Tools
from duologue.session.transcribe import Transcription
from duologue.session.voice_prompt import for_voice
from duologue.session.writing import Writing

AS_CONFIGURED = ReplyOptions()


class Ways(msgspec.Struct, frozen=True):
    """How the engines at hand are used.

    ``speculates``: answers are prepared in pauses, before the turn is known to be over. ``hears``: the model that
    answers is given the turn as sound. ``has_partials``: words are shown while somebody speaks. ``sees``: the model
    takes images. ``tool_steps``: how often it may call tools before it has to answer. ``filler``: what is said when a
    tool has not answered ``filler_after_s`` after the call, "" for nothing. ``pressure``: what is left undone under
    load, now. ``holds_sound``: what was sent of an answer can still be lowered and held, since it waits on this side or
    with a client that obeys. ``context_tokens``: how much of the conversation is told at the most.
    """

    speculates: bool = True
    hears: bool = False
    has_partials: bool = True
    sees: bool = False
    tool_steps: int = 5
    filler: str = ""
    filler_after_s: float = 1.0
    pressure: Pressure = NO_PRESSURE
    holds_sound: bool = False
    context_tokens: int = CONTEXT_TOKENS


# Transcribed, then answered.
IN_STAGES = Ways()


class Replies:
    """Starts the work on transcripts and answers of one conversation, in the session's ``tasks``."""

    def __init__(
        self, engines: EngineClient, conversation: Conversation, tools: Tools, ways: Ways, config: SessionConfig
    ) -> None:
        self._engines = engines
        self._conversation = conversation
        self._tools = tools
        self._window = Window(ways.context_tokens)
        self._ways = ways
        self._name = new_id("conv")
        self.config = config
        self.tasks: TaskGroup

    def transcribe(
        self, sound: Float32, item_id: str, *, is_answered: bool, engines: EngineClient | None = None
    ) -> Transcription:
        """The words of a turn; ``is_answered``: an answer is prepared as well, and whoever hears tells the words.
        ``engines``: others than the session's own."""
        is_fed = is_answered and self._ways.hears
        transcription = Transcription(
            engines or self._engines,
            sound,
            self.config.language,
            item_id,
            is_fed=is_fed,
            wants_words=self.config.show_probs,
        )
        self.tasks.start_soon(transcription.run)
        return transcription

    def to_turn(
        self, turn: Transcription, unfinished: Collection[anyio.Event], engines: EngineClient | None = None
    ) -> Reply:
        """An answer to ``turn``, once what is ``unfinished`` has ended. It says nothing before it is let.
        ``engines``: others than the session's own."""
        history, instructions = self._conversation.history, self._instructions(AS_CONFIGURED)
        if self._ways.hears:
            ask = heard_prompt(history, instructions, turn, unfinished, self._tell)
            return self._ask(ask, AS_CONFIGURED, turn, engines, may_speak=0)
        pending = [*self._conversation.awaited(), *unfinished]
        ask = turn_prompt(history, instructions, turn, pending, self._tell)
        return self._ask(ask, AS_CONFIGURED, None, engines, may_speak=0)

    def to_history(self, options: ReplyOptions, note: str | None = None) -> Reply:
        """An answer to the conversation as it stands, or to the items that ``options`` name. ``note``: why, where
        nobody has said anything to answer. Raises ClientError for an item that does not exist."""
        instructions = self._instructions(options)
        # A model that hears need not wait for the words of what it can hear.
        pending = [] if self._ways.hears else self._conversation.awaited()
        if options.items is not None:
            entries = [self._entry_of(item, pending) for item in options.items]
            return self._ask(entries_prompt(entries, instructions, pending, self._tools.name_of), options)
        history = self._conversation.history
        ask = history_prompt(history, instructions, pending, self._tell, note)
        return self._ask(ask, options)

    def check_sight(self, item: Item, param: str) -> None:
        """Raises ClientError for an image that the model cannot see."""
        parts = item.parts if isinstance(item, Message) else ()
        if not self._ways.sees and any(part.kind == "input_image" for part in parts):
            raise ClientError(
                "The chat model here takes no images. Attach one that does, and set chat_model.vision.", param=param
            )

    def _entry_of(self, item: Item | ItemReference, pending: list[anyio.Event]) -> Entry:
        """An item of a response's own; what it waits for is added to ``pending``."""
        if isinstance(item, ItemReference):
            return self._conversation.history.require(item.id, "retriev")
        self.check_sight(item, "response.input")
        item, sound = without_sound(item)
        entry = Entry(item, sound if self._ways.hears else None)
        if sound is not None and not self._ways.hears:
            pending.append(known := anyio.Event())
            self.tasks.start_soon(self._fill, entry, self.transcribe(sound, item.id, is_answered=False), known)
        return entry

    async def _fill(self, entry: Entry, words: Transcription, known: anyio.Event) -> None:
        await words.known.wait()
        entry.set_text(words.text or "")
        known.set()

    def trimmed(self) -> ContextTrimmed | None:
        """Where the prompt begins now, if that has changed since this was last asked."""
        first = self._window.moved()
        return None if first is None else ContextTrimmed(first_item_id=first)

    def _tell(self, entries: Iterable[Entry], turn: ChatMessage | None = None, turn_id: str = "") -> list[ChatMessage]:
        told = steps(entries, self._tools.name_of)
        if turn is not None:
            told.append(Step(turn_id, [turn]))
        return self._window.fit(told, self.config.truncation, self.config.prompt_tokens)

    def _offer(self, options: ReplyOptions) -> Callable[[], Awaitable[Offer]]:
        """The tools that an answer may use, as they are when the model is asked."""
        specs = options.tools
        if specs is not None:
            self._tools.add(specs)

        async def offer() -> Offer:
            wanted = options.tool_choice or self.config.tool_choice
            if wanted == "none":
                return NO_TOOLS
            await self._tools.known()
            choice = self._tools.choice(wanted, specs)
            is_enough = options.in_conversation and self._conversation.history.tool_steps() >= self._ways.tool_steps
            offered = self._tools.offered(specs)
            # Some servers call tools although the choice is "none": what is not offered is not called.
            if is_enough or not offered:
                return NO_TOOLS
            parallel = options.parallel_tool_calls
            return Offer(offered, choice, self.config.parallel_tool_calls if parallel is None else parallel)

        return offer

    def _instructions(self, options: ReplyOptions) -> str:
        """The session's or the answer's own, and for an answer in sound what it is to be heard."""
        given = self.config.instructions if options.instructions is None else options.instructions
        return for_voice(given) if self._is_spoken(options) else given

    def _is_spoken(self, options: ReplyOptions) -> bool:
        return manner_of(self.config, options).modality == "audio"

    def _ask(
        self,
        ask: Prompt,
        options: ReplyOptions,
        turn: Transcription | None = None,
        engines: EngineClient | None = None,
        may_speak: float = math.inf,
    ) -> Reply:
        manner, engines = manner_of(self.config, options), engines or self._engines
        offer, model = self._offer(options), self.config.model
        asking = Asking(engines, ask, manner.max_output_tokens, self._name, turn, offer, model)
        writing = Writing(asking, is_spoken=manner.modality == "audio")
        self.tasks.start_soon(writing.run)
        reply = Reply(engines, writing, manner, self.config.speed, may_speak=may_speak)
        self.tasks.start_soon(reply.run)
        return reply

    def voice(self, writing: Writing, options: ReplyOptions = AS_CONFIGURED, start: int = 0, calls: int = 0) -> Reply:
        """``writing`` from its letter ``start`` and its call ``calls`` on, said."""
        manner = manner_of(self.config, options)
        reply = Reply(self._engines, writing, manner, self.config.speed, start, calls)
        self.tasks.start_soon(reply.run)
        return reply

    def filler(self) -> Reply:
        """What bridges the wait for a tool."""
        return self.voice(Writing.of(self._ways.filler))

    async def prepare(self) -> None:
        """Let a model that hears read the conversation while the user still speaks. A failure is no matter."""
        if not self._ways.hears:
            return
        asked = prompt(self._instructions(AS_CONFIGURED), self._tell(self._conversation.history))
        request = SpeechRequest(asked, conversation=self._name, wants="nothing")
        try:
            async with self._engines.stream(SPEECH, request, deadline_s=anyio.current_time()) as deltas:
                async for _ in deltas:
                    pass
        except (EngineError, CapacityError):
            return

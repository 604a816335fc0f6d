"""The making of answers: what is asked, of which model, and how it is said."""

from __future__ import annotations

from collections.abc import Collection

import anyio
import msgspec
from anyio.abc import TaskGroup

from duologue.audio.frame import Float32
from duologue.engines.base import SpeechRequest
from duologue.engines.client import SPEECH, EngineClient
from duologue.errors import CapacityError, EngineError
from duologue.events import ReplyOptions, SessionConfig, new_id
from duologue.session.asking import Asking, Prompt
from duologue.session.conversation import Conversation
from duologue.session.history import messages, prompt
from duologue.session.prompts import heard_prompt, history_prompt, items_prompt, turn_prompt
from duologue.session.reply import Manner, Reply
from duologue.session.transcribe import Transcription
from duologue.session.voice_prompt import for_voice
from duologue.session.writing import Writing

AS_CONFIGURED = ReplyOptions()


class Ways(msgspec.Struct, frozen=True):
    """How the engines at hand are used.

    ``speculates``: answers are prepared in pauses, before the turn is known to be over. ``hears``: the model that
    answers is given the turn as sound. ``has_partials``: words are shown while somebody speaks.
    """

    speculates: bool = True
    hears: bool = False
    has_partials: bool = True


# Transcribed, then answered.
IN_STAGES = Ways()


class Replies:
    """Starts the work on transcripts and answers of one conversation, in the session's ``tasks``."""

    def __init__(self, engines: EngineClient, conversation: Conversation, ways: Ways, config: SessionConfig) -> None:
        self._engines = engines
        self._conversation = conversation
        self._ways = ways
        self._name = new_id("conv")
        self.config = config
        self.tasks: TaskGroup

    def transcribe(self, sound: Float32, item_id: str, *, is_answered: bool) -> Transcription:
        """The words of a turn; ``is_answered``: an answer is prepared as well, and whoever hears tells the words."""
        is_fed = is_answered and self._ways.hears
        transcription = Transcription(self._engines, sound, self.config.language, item_id, is_fed=is_fed)
        self.tasks.start_soon(transcription.run)
        return transcription

    def to_turn(self, turn: Transcription, unfinished: Collection[anyio.Event]) -> Reply:
        """An answer to ``turn``, once what is ``unfinished`` has ended."""
        history, instructions = self._conversation.history, self._instructions(AS_CONFIGURED)
        if self._ways.hears:
            return self._ask(heard_prompt(history, instructions, turn, unfinished), AS_CONFIGURED, turn)
        pending = [*self._conversation.awaited(), *unfinished]
        return self._ask(turn_prompt(history, instructions, turn, pending), AS_CONFIGURED)

    def to_history(self, options: ReplyOptions) -> Reply:
        """An answer to the conversation as it stands, or to the items that ``options`` name."""
        instructions = self._instructions(options)
        if options.items is not None:
            return self._ask(items_prompt(options.items, instructions), options)
        # A model that hears need not wait for the words of what it can hear.
        pending = [] if self._ways.hears else self._conversation.awaited()
        return self._ask(history_prompt(self._conversation.history, instructions, pending), options)

    def _instructions(self, options: ReplyOptions) -> str:
        """The session's or the answer's own, and for an answer in sound what it is to be heard."""
        given = self.config.instructions if options.instructions is None else options.instructions
        return for_voice(given) if self._is_spoken(options) else given

    def _is_spoken(self, options: ReplyOptions) -> bool:
        return Manner.of(self.config, options).modality == "audio"

    def _ask(self, ask: Prompt, options: ReplyOptions, turn: Transcription | None = None) -> Reply:
        max_tokens = options.max_output_tokens or self.config.max_output_tokens
        asking = Asking(self._engines, ask, max_tokens, self._name, turn)
        writing = Writing(asking, is_spoken=self._is_spoken(options))
        self.tasks.start_soon(writing.run)
        return self.voice(writing, options)

    def voice(self, writing: Writing, options: ReplyOptions = AS_CONFIGURED, start: int = 0) -> Reply:
        """``writing`` from its letter ``start`` on, said."""
        reply = Reply(self._engines, writing, Manner.of(self.config, options), start)
        self.tasks.start_soon(reply.run)
        return reply

    async def prepare(self) -> None:
        """Let a model that hears read the conversation while the user still speaks. A failure is no matter."""
        if not self._ways.hears:
            return
        asked = prompt(self._instructions(AS_CONFIGURED), messages(self._conversation.history))
        request = SpeechRequest(asked, conversation=self._name, wants="nothing")
        try:
            async with self._engines.stream(SPEECH, request, deadline_s=anyio.current_time()) as deltas:
                async for _ in deltas:
                    pass
        except (EngineError, CapacityError):
            return

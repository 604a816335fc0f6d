"""Names of engines -> engines, and a setup's names -> all of them together.

Other packages may add engines through the entry point group ``duologue.engines``: the entry's name is
``stage.name`` (``asr.whisper``), its value a class or function that takes no arguments and gives the engine.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from duologue.config import Setup
from duologue.engines.base import AnyEngine
from duologue.engines.chat.discover import find_chat
from duologue.engines.client import Observer
from duologue.engines.fallback import Fallback
from duologue.engines.local import LocalEngines
from duologue.engines.speech.faces import SpeechChat, SpeechTranscriber
from duologue.engines.turn.smart_turn import find_weights
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import ChatOptions

ENTRY_POINTS = "duologue.engines"


@dataclass(frozen=True, slots=True)
class Maker:
    """Where an engine's class is, and the tables of options that it takes, in order."""

    path: str
    tables: tuple[str, ...] = ()


MAKERS = {
    "vad.silero": Maker("duologue.engines.vad.silero:SileroVad"),
    "turn.smart-turn": Maker("duologue.engines.turn.smart_turn:SmartTurn"),
    "turn.words": Maker("duologue.engines.turn.words:WordsTurn"),
    "turn.scripted": Maker("duologue.engines.scripted:ScriptedTurn"),
    "asr.moonshine": Maker("duologue.engines.asr.moonshine:Moonshine"),
    "asr.whisper": Maker("duologue.engines.asr.whisper:Whisper", ("whisper",)),
    "asr.openai": Maker("duologue.engines.asr.openai_asr:OpenAITranscriber", ("transcription_server",)),
    "asr.vllm-realtime": Maker("duologue.engines.asr.vllm_realtime:VllmRealtime", ("realtime_transcriber",)),
    "asr.scripted": Maker("duologue.engines.scripted:ScriptedTranscriber"),
    "speech.voxtral": Maker("duologue.engines.speech.voxtral:Voxtral", ("voxtral",)),
    "speech.voxtral-server": Maker("duologue.engines.speech.voxtral_server:VoxtralServer", ("voxtral_server",)),
    "chat.builtin": Maker("duologue.engines.chat.builtin:BuiltinChat"),
    "chat.llama-server": Maker("duologue.engines.chat.llama_server:LlamaServer", ("llama_server", "chat_model")),
    "chat.scripted": Maker("duologue.engines.scripted:ScriptedChat"),
    "chat.scripted-tools": Maker("duologue.engines.scripted_chat:ScriptedToolChat"),
    "tts.espeak": Maker("duologue.engines.tts.espeak:Espeak", ("espeak",)),
    "tts.kokoro": Maker("duologue.engines.tts.kokoro:Kokoro", ("kokoro",)),
    "tts.openai": Maker("duologue.engines.tts.openai_tts:OpenAISpeech", ("speech_server",)),
    "tts.scripted": Maker("duologue.engines.scripted:ScriptedSynthesizer"),
}
# Names that are looked for rather than made.
_FOUND = {"turn": ("auto",), "chat": ("auto", "openai", "speech"), "asr": ("speech",)}


def names(stage: str) -> list[str]:
    """What may be written for ``stage``."""
    plugged = [entry.name for entry in entry_points(group=ENTRY_POINTS)]
    keys = [key.split(".", 1)[1] for key in {*MAKERS, *plugged} if key.startswith(f"{stage}.")]
    return sorted({*keys, *_FOUND.get(stage, ())})


def make(stage: str, name: str, setup: Setup | None = None) -> Any:
    """A new engine, not loaded yet; without ``setup`` with the default options.

    Raises ConfigError for a name that nobody registered.
    """
    key = f"{stage}.{name}"
    if (maker := MAKERS.get(key)) is not None:
        module, attribute = maker.path.split(":")
        tables = [setup.tables[table] for table in maker.tables] if setup is not None else []
        return getattr(importlib.import_module(module), attribute)(*tables)
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == key:
            return entry.load()()
    raise ConfigError(f"There is no {stage} engine '{name}'. Known: {', '.join(names(stage))}.")


def make_turn(name: str) -> Any:
    """The end-of-turn detector; "auto" takes Smart Turn where its weights are installed."""
    if name != "auto":
        return make("turn", name)
    try:
        find_weights()
    except EngineUnavailable:
        return make("turn", "words")
    return make("turn", "smart-turn")


async def make_chat(name: str, setup: Setup) -> Any:
    """The chat model; "auto" looks for a server and falls back on the built-in responder, "openai" insists on one."""
    if name not in {"auto", "openai"}:
        return make("chat", name, setup)
    options = setup.tables["chat_model"]
    assert isinstance(options, ChatOptions)
    chat = await find_chat(setup.llm, setup.llm_model, os.environ, options)
    if chat is None and name == "openai":
        raise EngineUnavailable(
            "No chat server was found: name one with --llm URL (and --llm-model NAME), or choose another --chat."
        )
    return make("chat", "builtin") if chat is None else chat


async def make_stage(stage: str, name: str, setup: Setup) -> Any:
    """One engine by the name that a setup gives it, "auto" and the like included. Raises as the others do."""
    if stage == "chat":
        return await make_chat(name, setup)
    return make_turn(name) if stage == "turn" else make(stage, name, setup)


async def assemble(setup: Setup, observer: Observer | None = None) -> LocalEngines:
    """A setup's engines behind the seam, not started yet; ``observer`` is told what they do.

    Raises ConfigError for unknown names, EngineUnavailable for what cannot run here.
    """
    chosen = setup.engines
    speech = _first_of([make("speech", name, setup) for name in _listed(chosen.speech or "")])
    asr = [SpeechTranscriber(speech) if n == "speech" else make("asr", n, setup) for n in _listed(chosen.asr)]
    chat = [SpeechChat(speech) if n == "speech" else await make_chat(n, setup) for n in _listed(chosen.chat)]
    # --llm names a chat server, whatever the profile's chat model would be.
    if setup.llm is not None and not chosen.hears and not {"auto", "openai"} & set(_listed(chosen.chat)):
        chat = [await make_chat("openai", setup)]
    stages: dict[str, AnyEngine | None] = {
        "vad": make("vad", chosen.vad, setup),
        "turn": make_turn(chosen.turn),
        "asr": _first_of(asr),
        "speech": speech,
        "chat": _first_of(chat),
        "tts": _first_of([make("tts", name, setup) for name in _listed(chosen.tts)]),
    }
    # Where words can be transcribed and answered otherwise, a server that hears may come later.
    dispensable = {"speech"} if len(asr) > 1 and len(chat) > 1 else ()
    present = {stage: engine for stage, engine in stages.items() if engine is not None}
    return LocalEngines(present, dispensable=dispensable, observer=observer)


def _listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def _first_of(engines: list[Any]) -> Any:
    """The first of ``engines``, each standing in for the one before it; None where there are none."""
    if not engines:
        return None
    engine = engines[-1]
    for preferred in reversed(engines[:-1]):
        engine = Fallback(preferred, engine)
    return engine

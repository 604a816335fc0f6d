"""Names of engines -> engines, and a profile's names -> all of them together.

Other packages may add engines through the entry point group ``duologue.engines``: the entry's name is
``stage.name`` (``asr.whisper``), its value a class or function that takes no arguments and gives the engine.
"""

from __future__ import annotations

import importlib
import os
from importlib.metadata import entry_points
from typing import Any

import structlog

from duologue import telemetry
from duologue.config import ProfileEngines
from duologue.engines.chat.discover import find_chat
from duologue.engines.local import LocalEngines
from duologue.engines.runner import Runner
from duologue.engines.turn.smart_turn import find_weights
from duologue.errors import ConfigError, EngineUnavailable

log = structlog.get_logger(__name__)

ENTRY_POINTS = "duologue.engines"

_FACTORIES = {
    "vad.silero": "duologue.engines.vad.silero:SileroVad",
    "turn.smart-turn": "duologue.engines.turn.smart_turn:SmartTurn",
    "turn.words": "duologue.engines.turn.words:WordsTurn",
    "turn.scripted": "duologue.engines.scripted:ScriptedTurn",
    "asr.moonshine": "duologue.engines.asr.moonshine:Moonshine",
    "asr.scripted": "duologue.engines.scripted:ScriptedTranscriber",
    "chat.builtin": "duologue.engines.chat.builtin:BuiltinChat",
    "chat.scripted": "duologue.engines.scripted:ScriptedChat",
    "tts.espeak": "duologue.engines.tts.espeak:Espeak",
    "tts.scripted": "duologue.engines.scripted:ScriptedSynthesizer",
}


def names(stage: str) -> list[str]:
    """The engines known for ``stage``."""
    plugged = [entry.name for entry in entry_points(group=ENTRY_POINTS)]
    return sorted(key.split(".", 1)[1] for key in {*_FACTORIES, *plugged} if key.startswith(f"{stage}."))


def make(stage: str, name: str) -> Any:
    """A new engine, not loaded yet. Raises ConfigError for a name that nobody registered."""
    key = f"{stage}.{name}"
    if key in _FACTORIES:
        module, attribute = _FACTORIES[key].split(":")
        return getattr(importlib.import_module(module), attribute)()
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


async def make_chat(name: str, llm: str | None, llm_model: str | None) -> Any:
    """The chat model; "auto" looks for a server and falls back on the built-in responder."""
    if name != "auto" and llm is None:
        return make("chat", name)
    chat = await find_chat(llm, llm_model, os.environ)
    if chat is None:
        return make("chat", "builtin")
    if chat.model_warning:
        log.warning(telemetry.CHAT_MODEL_DOUBTFUL, warning=chat.model_warning)
    return chat


async def assemble(chosen: ProfileEngines, llm: str | None = None, llm_model: str | None = None) -> LocalEngines:
    """A profile's engines behind the seam, not started yet.

    Raises ConfigError for unknown names, EngineUnavailable for what cannot run here.
    """
    return LocalEngines(
        Runner(),
        vad=make("vad", chosen.vad),
        turn=make_turn(chosen.turn),
        asr=make("asr", chosen.asr),
        chat=await make_chat(chosen.chat, llm, llm_model),
        tts=make("tts", chosen.tts),
    )

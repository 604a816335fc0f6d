"""``GET /v1/offer``: what this server has, for a page that lets people choose.

Engines with licence and size, chat models, voices, languages, personas, and what is kept of a conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from anyio import to_thread
from msgspec.structs import asdict
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from duologue.engines.about import About, about
from duologue.protocols.openai_realtime.choices import is_voice
from duologue.protocols.openai_realtime.settings import LEAST_SPEED, MOST_SPEED
from duologue.server.archive import keeps_for
from duologue.server.metrics import release
from duologue.server.personas import Persona
from duologue.server.problems import warming_up
from duologue.server.rest.voices import voices_of

if TYPE_CHECKING:
    from duologue.server.state import State

_STAGES = ("vad", "turn", "asr", "speech", "chat", "tts")
_LONGEST_CODE = 3
# The version of a checkout.
UNRELEASED = "dev"
# First letter of a Kokoro voice such as af_heart.
_KOKORO_LANGUAGES = {"a": "en", "b": "en", "e": "es", "f": "fr", "h": "hi", "i": "it", "j": "ja", "p": "pt", "z": "zh"}


async def _offer(request: Request) -> Response:
    state: State = request.app.state.duologue
    if not state.is_ready:
        return warming_up(state)
    await state.choices.relist()
    named = {stage: stats.engine for stage, stats in state.engines.stats().items()}
    engines = await to_thread.run_sync(_engines, state, named)
    return JSONResponse(
        {
            "version": release() or UNRELEASED,
            "profile": state.setup.profile,
            "engines": engines,
            "models": list(state.choices.models) or _only_model(engines),
            **_voices(state),
            "languages": sorted(state.choices.languages, key=lambda code: (code != "en", code)),
            "speed": {"least": LEAST_SPEED, "most": MOST_SPEED},
            "instructions": state.settings.instructions,
            "personas": [_persona(each, voices_of(state)) for each in state.personas],
            "mcp": state.mcp_permits,
            "store": _store(state, request),
        },
        headers={"Cache-Control": "no-store"},
    )


def _engines(state: State, named: dict[str, str]) -> list[dict[str, Any]]:
    """Each engine once, in the order of its first stage; ``named``: the engines of each stage, by commas. Reads the
    disk."""
    stages: dict[str, list[str]] = {}
    for stage in (stage for stage in _STAGES if stage in named):
        for name in named[stage].split(","):
            stages.setdefault(name.strip(), []).append(stage)
    return [{"stages": used, "engine": name, **asdict(_about(name, state))} for name, used in stages.items()]


def _about(name: str, state: State) -> About:
    models = state.choices.models
    if name == "openai" and models:
        return About(models[0])
    return about(name, state.setup.tables)


def _only_model(engines: list[dict[str, Any]]) -> list[str]:
    """What answers where there is nothing to choose from."""
    of_chat = next((each for each in engines if "chat" in each["stages"]), None)
    return [] if of_chat is None else [of_chat["model"] or of_chat["engine"]]


def _voices(state: State) -> dict[str, Any]:
    """The default first, then English, then the other languages together, each in the engine's order."""
    voices = voices_of(state)
    default = state.voice or next(iter(voices), "")
    listed = [{"id": each, "language": language_of(each)} for each in voices]
    listed.sort(key=lambda voice: (voice["id"] != default, voice["language"] != "en", voice["language"] or "~"))
    return {"voices": listed, "voice": default}


def language_of(voice: str) -> str | None:
    """The language of a voice, where its name tells: espeak-ng's are codes, Kokoro's begin with a letter for it."""
    if "_" in voice[:3]:
        return _KOKORO_LANGUAGES.get(voice[0]) if voice[1:3] in {"f_", "m_"} else None
    code = voice.partition("+")[0].partition("-")[0]
    return code if code.isalpha() and code.islower() and len(code) < _LONGEST_CODE else None


def _persona(persona: Persona, voices: tuple[str, ...]) -> dict[str, Any]:
    """A voice that there is not stays the default one."""
    shown = asdict(persona)
    return shown if is_voice(persona.voice or "", voices) else {**shown, "voice": None}


def _store(state: State, request: Request) -> dict[str, Any]:
    is_on = state.keeping.is_on and keeps_for(state.settings, request.scope)
    return {"on": is_on, "days": state.settings.store_days, "sound": state.settings.store_sound}


ROUTES: list[BaseRoute] = [Route("/v1/offer", _offer, methods=["GET"])]

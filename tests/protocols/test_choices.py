"""What a client chooses: models, voices and languages that there are, and those that there are not."""

from __future__ import annotations

from typing import Any

import pytest

from duologue.events import Configure, CreateReply
from duologue.items import SessionConfig
from duologue.protocols.openai_realtime.protocol import RealtimeProtocol
from tests.protocols.exchange import NOW_S, exchange, fault, tell, update


class Here:
    models = ("small", "large")
    voices = ("tone", "bell", "af_heart", "bf_emma")
    languages = frozenset({"en", "fr"})


def wire(model: str = "gpt-realtime") -> RealtimeProtocol:
    return RealtimeProtocol(model, SessionConfig(voice="tone"), now_s=NOW_S, choices=Here())


def config(protocol: RealtimeProtocol, **session: Any) -> SessionConfig:
    (told,), _ = exchange(protocol, {"type": "session.update", "session": {"type": "realtime", **session}})
    assert isinstance(told, Configure)
    return told.config


def update_event(**session: Any) -> dict[str, Any]:
    return {"type": "session.update", "session": {"type": "realtime", **session}}


def test_a_model_that_there_is_answers_and_is_shown() -> None:
    protocol = wire()
    assert protocol.config().model is None
    assert update(protocol, model="large")["model"] == "large"
    assert protocol.config().model == "large"
    assert config(protocol, instructions="Be brief.").model == "large"


def test_a_model_is_chosen_with_the_connection() -> None:
    assert wire("large").config().model == "large"


@pytest.mark.parametrize("name", ["gpt-realtime-2", "", "LARGE"])
def test_another_name_changes_nothing(name: str) -> None:
    protocol = wire("large")
    assert update(protocol, model=name)["model"] == "large"
    assert protocol.config().model == "large"


def test_the_name_that_it_began_with_is_the_way_back() -> None:
    protocol = wire("gpt-realtime")
    update(protocol, model="large")
    assert update(protocol, model="gpt-realtime")["model"] == "gpt-realtime"
    assert protocol.config().model is None


@pytest.mark.parametrize("voice", ["bell", "Marin", "af_heart:0.6+bf_emma:0.4", {"id": "bell"}])
def test_a_voice_that_there_is_or_stands_for_any(voice: object) -> None:
    shown = update(wire(), audio={"output": {"voice": voice, "speed": 1.25}})
    assert shown["audio"]["output"]["voice"] == voice


def test_a_voice_that_there_is_not() -> None:
    protocol = wire()
    said = fault(protocol, update_event(audio={"output": {"voice": "bel"}}))
    assert said["param"] == "session.audio.output.voice"
    assert "'bel'. The voices here are: tone, bell, af_heart, bf_emma." in said["message"]
    assert protocol.config().voice == "tone"
    update(protocol, audio={"output": {"voice": "bell"}})
    assert protocol.config().voice == "bell"


def test_a_voice_of_one_answer() -> None:
    answer = {"type": "response.create", "response": {"audio": {"output": {"voice": "bel"}}}}
    assert fault(wire(), answer)["param"] == "response.audio.output.voice"
    answer["response"] = {"audio": {"output": {"voice": "bell"}}}
    told = tell(wire(), answer)
    assert isinstance(told, CreateReply)
    assert told.options.voice == "bell"


@pytest.mark.parametrize("given", [{"language": "fr"}, {"language": "en-GB"}, {"languages": ["de", "en"]}, {}])
def test_a_language_that_is_understood(given: dict[str, Any]) -> None:
    update(wire(), audio={"input": {"transcription": {"model": "whisper-1", **given}}})


@pytest.mark.parametrize("given", [{"language": "de"}, {"languages": ["pt-BR"]}, {"language": "english"}])
def test_a_language_that_is_not(given: dict[str, Any]) -> None:
    protocol = wire()
    said = fault(protocol, update_event(instructions="Hm.", audio={"input": {"transcription": given}}))
    assert said["param"] == "session.audio.input.transcription.language"
    assert said["message"].endswith("The transcriber here understands: en, fr.")
    assert (protocol.config().language, protocol.config().instructions) == (None, "")


def test_where_nothing_is_known_all_is_taken() -> None:
    protocol = RealtimeProtocol("house", SessionConfig(voice="tone"), now_s=NOW_S)
    shown = update(protocol, audio={"output": {"voice": "anna"}, "input": {"transcription": {"language": "xx"}}})
    assert (shown["audio"]["output"]["voice"], protocol.config().language) == ("anna", "xx")

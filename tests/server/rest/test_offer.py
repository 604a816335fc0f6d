"""``/v1/offer``: what a page is told of the server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from blockbuster import BlockBuster

from duologue.config import Settings, setup_of
from duologue.engines.about import about
from duologue.engines.local import LocalEngines
from duologue.engines.registry import assemble
from duologue.engines.scripted import ScriptedChat, ScriptedSynthesizer, ScriptedTranscriber, ScriptedVad
from duologue.server.rest.offer import language_of
from tests.server.rest.house import house

pytestmark = pytest.mark.anyio

FIELDS = {
    "version", "profile", "engines", "models", "voices", "voice", "languages", "speed", "instructions", "personas",
    "mcp", "store",
}  # fmt: skip


class Chat(ScriptedChat):
    """One of two, and the second came later."""

    def __init__(self) -> None:
        super().__init__()
        self.models: tuple[str, ...] = ("small",)

    async def relist(self) -> None:
        self.models = ("small", "large")


class Voices(ScriptedSynthesizer):
    voices = ("bf_emma", "jf_alpha", "af_heart", "odd", "en-us")


async def test_a_checkout_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.server.rest.offer.release", str)
    async with offering() as http:
        assert (await http.get("/offer")).json()["version"] == "dev"


@asynccontextmanager
async def offering(voice: str = "bf_emma", **settings: Any) -> AsyncIterator[httpx2.AsyncClient]:
    stages = {"vad": ScriptedVad(), "asr": ScriptedTranscriber(), "chat": Chat(), "tts": Voices()}
    engines = LocalEngines(stages)
    await engines.start()
    try:
        async with house(engines, voice=voice, **settings) as http:
            yield http
    finally:
        await engines.aclose()


async def test_all_that_a_page_reads(no_blocked_rest: BlockBuster) -> None:
    async with offering(instructions="Be kind.", store_days=7) as http:
        answer = await http.get("/offer")
    offer = answer.json()
    assert offer.keys() == FIELDS
    assert answer.headers["cache-control"] == "no-store"
    assert (offer["profile"], offer["instructions"]) == ("scripted", "Be kind.")
    assert offer["models"] == ["small", "large"]
    assert offer["speed"] == {"least": 0.25, "most": 1.5}
    assert offer["languages"] == []
    assert offer["store"] == {"on": False, "days": 7, "sound": False}
    assert offer["engines"][1] == {
        "stages": ["asr"], "engine": "scripted-asr", "model": None, "licence": None, "size_bytes": None,
    }  # fmt: skip
    assert [each["stages"] for each in offer["engines"]] == [["vad"], ["asr"], ["chat"], ["tts"]]
    assert {each["id"] for each in offer["personas"]} >= {"assistant", "tutor"}
    assert offer["personas"][0].keys() == {"id", "name", "description", "instructions", "voice", "speed"}


async def test_voices_are_in_an_order_that_helps() -> None:
    async with offering() as http:
        offer = (await http.get("/offer")).json()
    assert offer["voice"] == "bf_emma"
    assert [(voice["id"], voice["language"]) for voice in offer["voices"]] == [
        ("bf_emma", "en"),
        ("af_heart", "en"),
        ("en-us", "en"),
        ("jf_alpha", "ja"),
        ("odd", None),
    ]


@pytest.mark.parametrize(
    ("settings", "permits"),
    [({}, "any"), ({"host": "0.0.0.0"}, "public"), ({"mcp": "none"}, "none"), ({"mcp": "any"}, "any")],
)
async def test_which_mcp_servers_may_be_named(settings: dict[str, Any], permits: str) -> None:
    async with offering(**settings) as http:
        assert (await http.get("/offer")).json()["mcp"] == permits


async def test_a_persona_of_the_operator_whose_voice_there_is_not(tmp_path: Path) -> None:
    words = 'name = "Us"\ndescription = "Ours."\ninstructions = "Hm."\n'
    (tmp_path / "ours.toml").write_text(words + 'voice = "af_heart"')
    (tmp_path / "theirs.toml").write_text(words + 'voice = "gone"\nspeed = 0.8')
    async with offering(personas=tmp_path) as http:
        personas = {each["id"]: each for each in (await http.get("/offer")).json()["personas"]}
    assert personas["ours"]["voice"] == "af_heart"
    assert (personas["theirs"]["voice"], personas["theirs"]["speed"]) == (None, 0.8)


async def test_who_may_read_it() -> None:
    async with offering(api_key="k-1") as http:
        assert (await http.get("/offer")).status_code == 401
        key = {"Authorization": "Bearer k-1"}
        assert (await http.get("/offer", headers=key)).status_code == 200
        secret = (await http.post("/realtime/client_secrets", headers=key)).json()["value"]
        assert (await http.get("/offer", headers={"Authorization": f"Bearer {secret}"})).status_code == 200


async def test_before_the_models_are_there() -> None:
    async with house(is_ready=False) as http:
        refused = await http.get("/offer")
    assert refused.status_code == 503
    assert "retry-after" in refused.headers


@pytest.mark.parametrize(
    ("voice", "language"),
    [
        ("en-us+f3", "en"), ("de", "de"), ("pt-br", "pt"), ("zh", "zh"), ("am_adam", "en"), ("zf_xiaobei", "zh"),
        ("pm_alex:0.5+af_sky", "pt"), ("alloy", None), ("tone", None), ("q_x", None), ("", None), ("EN", None),
    ],
)  # fmt: skip
def test_the_language_of_a_voice(voice: str, language: str | None) -> None:
    assert language_of(voice) == language


def test_engines_whose_models_are_named_in_the_options() -> None:
    tables = setup_of(Settings(profile="cascade")).tables
    whisper = about("whisper", tables)
    assert (whisper.model, whisper.licence, whisper.size_bytes) == ("whisper-turbo", "MIT", 1_622_000_000)
    kokoro = about("kokoro", tables)
    assert (kokoro.model, kokoro.licence) == ("kokoro", "Apache-2.0")
    assert about("openai-asr", tables).licence is None
    assert about("somebody-elses", tables) == about("scripted", tables)


@pytest.mark.real_engines
async def test_every_voice_that_the_embedded_profile_offers_can_be_heard() -> None:
    setup = setup_of(Settings(profile="embedded", chat="builtin"))
    engines = await assemble(setup)
    await engines.start()
    try:
        async with house(engines, voice=engines.voices[0]) as http:
            http.app.state.duologue.setup = setup  # type: ignore[attr-defined]
            offer = (await http.get("/offer")).json()
            for voice in offer["voices"]:
                body = {"input": "Hallo.", "voice": voice["id"], "response_format": "pcm"}
                sound = await http.post("/audio/speech", json=body)
                assert sound.status_code == 200, (voice, sound.text)
                assert len(sound.content) > 2 * 24_000 * 0.2, voice
                assert voice["language"] is not None
    finally:
        await engines.aclose()
    assert offer["languages"] == ["en"]
    assert all(each["licence"] for each in offer["engines"])
    sizes = {each["engine"]: each["size_bytes"] for each in offer["engines"]}
    assert sizes.pop("builtin") is None
    assert all(size > 1_000_000 for name, size in sizes.items() if name != "words")
    assert len(offer["voices"]) == len({voice["id"] for voice in offer["voices"]}) > 20

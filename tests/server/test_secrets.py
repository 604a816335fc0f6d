"""Client secrets: how they are made, what they hold, when they die; and the endpoints that came before."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.types import ASGIApp

from duologue.config import Settings, setup_of
from duologue.errors import CapacityError
from duologue.server import secrets as store
from duologue.server.access import Access, Rules
from duologue.server.client_secrets import ROUTES
from duologue.server.secrets import Secrets, is_secret
from duologue.server.state import State
from tests.server.asking import KEY, Answer, Clock, ask
from tests.server.serving import engines

pytestmark = pytest.mark.anyio

PATH = "/v1/realtime/client_secrets"
NOW_S = 1_750_000_000


class Server:
    """The endpoints behind the door, with a clock of their own."""

    def __init__(self, *, is_ready: bool = True, most: int = 100, **settings: Any) -> None:
        given = Settings(profile="scripted", **settings)
        self.clock = Clock()
        self.secrets = Secrets(self.clock, calendar=lambda: NOW_S + 0.9, most=most)
        state = State(given, setup_of(given), engines(), voice="tone", is_ready=is_ready, secrets=self.secrets)
        app = Starlette(routes=ROUTES)
        app.state.duologue = state
        self.app: ASGIApp = Access(app, Rules.of(given), self.secrets, self.clock)

    async def post(self, body: object = None, path: str = PATH, key: str = KEY) -> Answer:
        return await ask(self.app, path, {"Authorization": f"Bearer {key}"}, method="POST", body=body)

    async def made(self, body: object = None, path: str = PATH) -> dict[str, Any]:
        answer = await self.post(body, path)
        assert answer.status == 200, answer.body
        assert answer.headers["cache-control"] == "no-store"
        return dict(json.loads(answer.body))

    async def refused(self, body: object, path: str = PATH) -> tuple[int, str, str | None]:
        answer = await self.post(body, path)
        assert self.secrets.alive == 0
        return answer.status, answer.error["code"], answer.error["param"]


@pytest.mark.parametrize("body", [None, {}, {"session": None, "expires_after": None}])
async def test_a_secret_for_a_session_as_it_is_by_default(body: object) -> None:
    server = Server(api_key=KEY, instructions="Be brief.")
    made = await server.made(body)
    assert made.keys() == {"value", "expires_at", "session"}
    assert re.fullmatch(r"ek_[0-9a-f]{48}", made["value"])
    assert made["expires_at"] == NOW_S + 600
    session = made["session"]
    assert (session["object"], session["type"], session["model"]) == ("realtime.session", "realtime", "duologue")
    assert (session["instructions"], session["audio"]["output"]["voice"]) == ("Be brief.", "tone")
    secret = server.secrets.find(made["value"])
    assert secret is not None
    assert (secret.session, secret.key_name, secret.expires_at) == ({"type": "realtime"}, "key-1", NOW_S + 600)


async def test_what_a_secret_is_made_with() -> None:
    server = Server()
    wanted = {
        "type": "realtime",
        "model": "gpt-realtime",
        "instructions": "Speak of ships.",
        "audio": {"input": {"turn_detection": {"type": "semantic_vad"}}, "output": {"voice": "marin"}},
    }
    made = await server.made({"expires_after": {"anchor": "created_at", "seconds": 7200}, "session": wanted})
    assert made["expires_at"] == NOW_S + 7200
    shown = made["session"]
    assert (shown["model"], shown["instructions"], shown["audio"]["output"]["voice"]) == (
        "gpt-realtime",
        "Speak of ships.",
        "marin",
    )
    assert shown["audio"]["input"]["turn_detection"]["eagerness"] == "auto"
    secret = server.secrets.find(made["value"])
    assert secret is not None
    assert (secret.session, secret.key_name) == (wanted, "anyone")
    secret.session["instructions"] = "changed by one session"
    assert secret.session["instructions"] == "Speak of ships."


async def test_a_secret_for_transcription() -> None:
    made = await Server().made({"session": {"type": "transcription", "audio": {"input": {"transcription": {}}}}})
    assert (made["session"]["type"], "instructions" in made["session"]) == ("transcription", False)


@pytest.mark.parametrize(
    ("body", "code", "param"),
    [
        ({"sessions": {}}, "unknown_parameter", "sessions"),
        ({"session": []}, "invalid_value", "session"),
        ({"session": {"type": "translation"}}, "invalid_value", "session.type"),
        ({"session": {"model": 5}}, "invalid_value", "session.model"),
        ({"session": {"instructions": 5}}, "invalid_value", "session.instructions"),
        (
            {"session": {"audio": {"input": {"turn_detection": {"type": "ears"}}}}},
            "invalid_value",
            "session.audio.input.turn_detection.type",
        ),
        ({"expires_after": 60}, "invalid_value", "expires_after"),
        ({"expires_after": {"anchor": "now"}}, "invalid_value", "expires_after.anchor"),
        *(
            ({"expires_after": {"seconds": seconds}}, "invalid_value", "expires_after.seconds")
            for seconds in (9, 7201, -1, 0, 60.5, "60", True, 10**400)
        ),
        ([], "invalid_value", "body"),
        ("words", "invalid_value", "body"),
    ],
)
async def test_what_cannot_be_is_refused_and_named(body: object, code: str, param: str) -> None:
    assert await Server(api_key=KEY).refused(body) == (400, code, param)


@pytest.mark.parametrize("seconds", [10, 7200])
async def test_the_shortest_and_the_longest_life(seconds: int) -> None:
    assert (await Server().made({"expires_after": {"seconds": seconds}}))["expires_at"] == NOW_S + seconds


async def test_a_body_that_is_too_large_or_too_deep() -> None:
    server = Server()
    assert (await server.refused({"session": {"instructions": "x" * 300_000}}))[0] == 400
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    assert (await server.refused({"session": {"tools": deep}}))[0] == 400


async def test_before_the_models_are_loaded() -> None:
    answer = await Server(is_ready=False).post({})
    assert (answer.status, answer.error["code"], "retry-after" in answer.headers) == (503, "warming_up", True)


async def test_a_secret_makes_no_other_secret() -> None:
    for settings in ({}, {"api_key": KEY}):
        server = Server(**settings)
        value = (await server.made())["value"]
        for path in (PATH, "/v1/realtime/sessions", "/v1/realtime/transcription_sessions"):
            assert (await server.post({}, path, key=value)).status == 401
        assert server.secrets.alive == 1


async def test_secrets_are_bounded_and_make_room_when_they_expire() -> None:
    server = Server(most=3)
    for seconds in (10, 20, 30):
        await server.made({"expires_after": {"seconds": seconds}})
    answer = await server.post({})
    assert (answer.status, answer.error["code"], "retry-after" in answer.headers) == (503, "capacity", True)
    server.clock.now += 10
    await server.made()
    assert server.secrets.alive == 3


def test_the_sessions_that_secrets_hold_are_bounded_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "MOST_BYTES", 1_000)
    clock = Clock()
    secrets = Secrets(clock)
    for _ in range(3):
        secrets.make({"instructions": "x" * 300}, 10, "anyone")
    with pytest.raises(CapacityError):
        secrets.make({"instructions": "x" * 300}, 10, "anyone")
    clock.now += 10
    secrets.make({"instructions": "x" * 300}, 10, "anyone")


def test_a_calendar_that_jumps_moves_no_deadline() -> None:
    clock, today = Clock(), [float(NOW_S)]
    secrets = Secrets(clock, calendar=lambda: today[0])
    value, _ = secrets.make({}, 10, "anyone")
    today[0] += 86_400
    assert secrets.find(value) is not None
    today[0] -= 200_000
    clock.now += 10
    assert secrets.find(value) is None


def test_secrets_are_not_kept_in_the_clear_and_are_all_different() -> None:
    secrets = Secrets()
    values = {secrets.make({}, 600, "anyone")[0] for _ in range(100)}
    assert len(values) == 100
    assert all(is_secret(value) for value in values)
    kept = repr(vars(secrets))
    assert not any(value[3:] in kept for value in values)


# --- before GA -------------------------------------------------------------------------------------------------------


async def test_the_session_of_an_old_console() -> None:
    server = Server()
    asked = {
        "model": "gpt-4o-realtime-preview",
        "voice": "verse",
        "modalities": ["text"],
        "input_audio_format": "g711_ulaw",
        "input_audio_transcription": {"model": "whisper-1"},
        "turn_detection": None,
        "temperature": 0.6,
        "max_response_output_tokens": 200,
        "client_secret": {"expires_after": {"anchor": "created_at", "seconds": 60}},
    }
    made = await server.made(asked, "/v1/realtime/sessions")
    assert made["client_secret"].keys() == {"value", "expires_at"}
    assert made["client_secret"]["expires_at"] == NOW_S + 60
    flat = {key: value for key, value in asked.items() if key not in ("client_secret", "temperature")}
    assert {key: made[key] for key in flat} == flat
    assert (made["object"], made["output_audio_format"], made["tools"]) == ("realtime.session", "pcm16", [])
    secret = server.secrets.find(made["client_secret"]["value"])
    assert secret is not None
    assert secret.session["audio"]["input"]["format"] == {"type": "audio/pcmu"}
    assert (secret.session["output_modalities"], secret.session["max_output_tokens"]) == (["text"], 200)


async def test_the_transcription_session_of_an_old_client() -> None:
    asked = {"input_audio_format": "pcm16", "input_audio_transcription": {"model": "whisper-1"}}
    made = await Server().made(asked, "/v1/realtime/transcription_sessions")
    assert {key: made[key] for key in asked} == asked
    assert made["turn_detection"]["type"] == "server_vad"
    assert is_secret(made["client_secret"]["value"])
    assert "voice" not in made


async def test_an_old_session_that_cannot_be() -> None:
    for body, param in (
        ({"input_audio_format": "mp3"}, "input_audio_format"),
        ({"client_secret": {"expires_after": {"seconds": 5}}}, "client_secret.expires_after.seconds"),
        ({"modalities": ["smell"], "voice": 5}, "session.audio.output.voice"),
    ):
        assert await Server().refused(body, "/v1/realtime/sessions") == (400, "invalid_value", param)

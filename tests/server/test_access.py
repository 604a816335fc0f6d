"""Who comes in under ``/v1/``, who does not and why, and that no key is seen anywhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from duologue.config import Settings, load_settings
from duologue.errors import ConfigError
from duologue.server.access import wants_beta
from duologue.server.auth import Guesses, Keys, check_access, is_loopback, read_keys
from duologue.server.secrets import Secrets
from tests.server.asking import KEY, OWN, Answer, Clock, ask, bearer, guarded, offer

pytestmark = pytest.mark.anyio

WRONG = "wrong-key-77aa01"

# --- keys ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shown", ["", "x", "sk-proj-abc", KEY, "ek_local"])
async def test_without_a_key_anybody_on_this_machine_comes_in(shown: str) -> None:
    app = guarded()
    headers = bearer(shown) if shown else {}
    assert (await ask(app, "/v1/models", headers)).status == 200
    assert (await ask(app, headers=headers, subprotocols=[])).status == 101
    answer = await ask(app, subprotocols=offer(shown or "none"))
    assert (answer.status, answer.subprotocol) == (101, "realtime")


@pytest.mark.parametrize("header", [f"Bearer {KEY}", f"bearer {KEY}", f"BEARER  {KEY} "])
async def test_the_right_key_in_a_header(header: str) -> None:
    app = guarded(api_key=KEY)
    answer = await ask(app, "/v1/models", {"Authorization": header})
    assert answer.body == b'{"key_name":"key-1","session":null,"expires_at":null}'
    assert (await ask(app, headers={"Authorization": header}, subprotocols=[])).status == 101


async def test_the_right_key_as_a_subprotocol_which_is_not_answered() -> None:
    answer = await ask(guarded(api_key=KEY), subprotocols=offer(KEY))
    assert (answer.status, answer.subprotocol) == (101, "realtime")
    assert KEY not in answer.everything


async def test_of_two_keys_shown_one_need_be_right() -> None:
    answer = await ask(guarded(api_key=KEY), headers=bearer("placeholder"), subprotocols=offer(KEY))
    assert answer.status == 101


@pytest.mark.parametrize(
    "headers",
    [
        {},
        bearer(WRONG),
        bearer(KEY[:-1]),
        bearer(KEY + "x"),
        bearer(KEY.upper()),
        bearer(""),
        {"Authorization": KEY},
        {"Authorization": f"Basic {KEY}"},
        {"X-Api-Key": KEY},
        bearer("ÿ" + KEY),
    ],
)
@pytest.mark.parametrize("is_ws", [False, True])
async def test_a_missing_or_wrong_key(headers: dict[str, str], is_ws: bool) -> None:
    answer = await ask(guarded(api_key=KEY), headers=headers, subprotocols=[] if is_ws else None)
    assert (answer.status, answer.error["code"], answer.error["type"]) == (
        401,
        "invalid_api_key",
        "invalid_request_error",
    )
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "Authorization: Bearer KEY" in answer.error["message"]
    assert KEY[:-1] not in answer.everything
    assert WRONG not in answer.everything


async def test_a_key_is_not_taken_from_a_subprotocol_of_a_request_nor_from_the_address() -> None:
    app = guarded(api_key=KEY)
    assert (await ask(app, "/v1/models", {"Sec-WebSocket-Protocol": f"openai-insecure-api-key.{KEY}"})).status == 401
    assert (await ask(app, subprotocols=[KEY, f"openai-organization.{KEY}"])).status == 401


@pytest.mark.parametrize("path", ["/", "/healthz", "/readyz", "/v1ews"])
async def test_health_and_the_page_are_open(path: str) -> None:
    strange = {"Host": "rebound.example", "Origin": "https://evil.example"}
    assert (await ask(guarded(api_key=KEY), path, strange)).status == 200


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/v1/nowhere", "/v1/models/", "/v1/../v1/models"])
async def test_nothing_under_v1_is_open(path: str) -> None:
    assert (await ask(guarded(api_key=KEY), path)).status == 401


async def test_several_keys_by_name(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# for the office\n\n  {KEY}  \nthird-key-0001\n")
    app = guarded(api_key="first-key-0001, second-key-0001", api_key_file=file)
    for number, key in enumerate(("first-key-0001", "second-key-0001", KEY, "third-key-0001"), 1):
        assert f'"key-{number}"'.encode() in (await ask(app, "/v1/models", bearer(key))).body
    for wrong in ("# for the office", "first-key-0001, second-key-0001"):
        assert (await ask(app, "/v1/models", bearer(wrong))).status == 401


def test_keys_that_cannot_be_are_refused_unquoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    empty = tmp_path / "empty"
    empty.write_text("# nothing yet\n")
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00")
    for given, said in (
        ({"api_key": "with a blank"}, "Key 1 has characters"),
        ({"api_key": "good-key,schlüssel"}, "Key 2 has characters"),
        ({"api_key": "ek_0123"}, "begins with ek_"),
        ({"api_key_file": empty}, "no key in"),
        ({"api_key_file": binary}, "not text"),
        ({"api_key_file": tmp_path / "nowhere"}, "No such file"),
    ):
        with pytest.raises(ConfigError, match=said) as caught:
            check_access(Settings(**given))
        assert "blank" not in caught.value.message
        assert "schl" not in caught.value.message
    monkeypatch.chdir(tmp_path)
    (tmp_path / "duologue.toml").write_text("api_key = 8812345\n")
    with pytest.raises(ConfigError, match="in quotes") as caught:
        load_settings({})
    assert "8812345" not in caught.value.message


def test_no_key_in_what_settings_and_keys_look_like() -> None:
    settings = Settings(api_key=KEY)
    assert KEY not in f"{settings!r} {settings} {settings.model_dump()} {vars(read_keys(settings))}"


def test_words_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DUOLOGUE_API_KEY", f"{KEY},second-key-0001")
    monkeypatch.setenv("DUOLOGUE_ALLOWED_ORIGINS", "https://a.example, https://b.example")
    monkeypatch.setenv("DUOLOGUE_ALLOWED_HOSTS", '["box", "box.example"]')
    settings = load_settings({})
    assert settings.allowed_origins == ("https://a.example", "https://b.example")
    assert settings.allowed_hosts == ("box", "box.example")
    assert len(read_keys(settings)) == 2


def test_an_empty_key_is_none() -> None:
    assert len(read_keys(Settings(api_key=" , "))) == 0
    assert Keys([""]).name_of(KEY) is None


# --- guesses ---------------------------------------------------------------------------------------------------------


async def test_guesses_are_limited_by_address_and_forgiven_in_time() -> None:
    clock = Clock()
    app = guarded(clock=clock, api_key=KEY)
    statuses = [(await ask(app, headers=bearer(f"guess-{n}"), subprotocols=[])).status for n in range(10_000)]
    assert statuses == [401] * 20 + [429] * 9_980
    refused = await ask(app, "/v1/models", bearer(KEY))
    assert (refused.status, refused.error["code"], refused.headers["retry-after"]) == (429, "rate_limit_exceeded", "60")
    assert (await ask(app, "/v1/models", bearer(KEY), client="192.0.2.9")).status == 200
    clock.now += 59.5
    assert (await ask(app, "/v1/models", bearer(KEY))).headers["retry-after"] == "1"
    clock.now += 0.5
    assert (await ask(app, "/v1/models", bearer(KEY))).status == 200


async def test_asking_without_a_key_is_no_guess() -> None:
    app = guarded(api_key=KEY)
    for _ in range(50):
        assert (await ask(app, "/v1/models")).status == 401
    assert (await ask(app, "/v1/models", bearer(KEY))).status == 200


async def test_what_a_client_says_of_its_address_does_not_count() -> None:
    app = guarded(api_key=KEY)
    for n in range(20):
        await ask(app, "/v1/models", {**bearer(WRONG), "X-Forwarded-For": f"192.0.2.{n}"})
    assert (await ask(app, "/v1/models", {**bearer(WRONG), "X-Forwarded-For": "192.0.2.99"})).status == 429


def test_guesses_hold_a_bounded_table_of_networks() -> None:
    clock = Clock()
    guesses = Guesses(clock, most=2)
    for address in ("2001:db8::1", "2001:db8::ffff:1", "::ffff:192.0.2.1", "192.0.2.1"):
        guesses.note(address)
    assert guesses.wait_s("2001:db8::abcd") == 60
    assert guesses.wait_s("2001:db8:0:1::1") == 0
    assert guesses.wait_s("192.0.2.1") == 60
    for n in range(12_000):
        guesses.note(f"10.{n >> 16}.{n >> 8 & 255}.{n & 255}")
    assert len(guesses._by_address) == 10_000
    assert guesses.wait_s("192.0.2.1") == 0


# --- client secrets --------------------------------------------------------------------------------------------------

SESSION = {"type": "realtime", "instructions": "Speak of ships."}


async def test_a_secret_opens_a_conversation_several_times_until_it_expires() -> None:
    clock = Clock()
    secrets = Secrets(clock, calendar=lambda: 5_000.9)
    app = guarded(secrets, clock, api_key=KEY)
    value, _ = secrets.make(SESSION, 600, "key-1")
    for _ in range(3):
        assert (await ask(app, subprotocols=offer(value))).status == 101
    told = await ask(app, "/v1/realtime/calls", bearer(value), method="POST")
    said = '{"key_name":"key-1","session":{"type":"realtime","instructions":"Speak of ships."},"expires_at":5600}'
    assert told.body.decode() == said
    clock.now += 599.9
    assert (await ask(app, headers=bearer(value), subprotocols=[])).status == 101
    clock.now += 0.1
    expired = await ask(app, headers=bearer(value), subprotocols=[])
    assert (expired.status, expired.error["code"]) == (401, "invalid_api_key")
    assert "expired" in expired.error["message"]
    assert value not in expired.everything


@pytest.mark.parametrize(
    "path", ["/v1/models", "/v1/realtime/client_secrets", "/v1/realtime/calls/rtc_1/hangup", "/v1/realtime/"]
)
@pytest.mark.parametrize("settings", [{}, {"api_key": KEY}])
async def test_a_secret_opens_nothing_else(path: str, settings: dict[str, str]) -> None:
    secrets = Secrets()
    value, _ = secrets.make(SESSION, 600, "key-1")
    answer = await ask(guarded(secrets, **settings), path, bearer(value), method="POST")
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert value not in answer.everything


@pytest.mark.parametrize("spoilt", [lambda v: v[:-1], lambda v: v + "0", lambda v: v[3:], str.upper, lambda v: "ek_"])
async def test_a_spoilt_secret_opens_nothing(spoilt: Callable[[str], str]) -> None:
    secrets = Secrets()
    value, _ = secrets.make(SESSION, 600, "key-1")
    assert (await ask(guarded(secrets, api_key=KEY), headers=bearer(spoilt(value)), subprotocols=[])).status == 401


async def test_without_a_key_a_dead_secret_is_refused_all_the_same() -> None:
    clock = Clock()
    secrets = Secrets(clock)
    app = guarded(secrets, clock)
    value, _ = secrets.make(SESSION, 10, "anyone")
    assert (await ask(app, subprotocols=offer(value))).status == 101
    clock.now += 10
    for _ in range(30):
        assert (await ask(app, subprotocols=offer(value))).status == 401
    assert (await ask(app, subprotocols=offer("x"))).status == 101


# --- the start -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "", "0", "::ffff:192.0.2.7", "fe80::1%eth0"])
def test_beyond_this_machine_a_key_is_needed(host: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_access(Settings(host=host))
    for way_out in ("DUOLOGUE_API_KEY", "--api-key-file", "--host 127.0.0.1", "--allow-no-key"):
        assert way_out in caught.value.message
    with pytest.raises(ConfigError):
        check_access(Settings(host=host, api_key=""))
    check_access(Settings(host=host, api_key=KEY))
    check_access(Settings(host=host, allow_no_key=True))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.1.2.3", "::ffff:127.0.0.1"])
def test_on_this_machine_none_is_needed(host: str) -> None:
    assert is_loopback(host)
    check_access(Settings(host=host))


# --- beta, logs ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "offered", "is_beta"),
    [
        ({"OpenAI-Beta": "realtime=v1"}, [], True),
        ({"OpenAI-Beta": "assistants=v2, realtime = v1"}, [], True),
        ({}, ["realtime", "openai-beta.realtime-v1"], True),
        ({"OpenAI-Beta": "assistants=v2"}, ["realtime"], False),
        ({}, [], False),
    ],
)
async def test_who_speaks_the_beta(headers: dict[str, str], offered: list[str], is_beta: bool) -> None:
    seen: list[bool] = []

    async def look(scope: Any, _receive: Any, send: Any) -> None:
        seen.append(wants_beta(scope))
        await send({"type": "websocket.accept", "headers": []})

    await ask(look, headers=headers, subprotocols=offered)
    assert seen == [is_beta]


async def test_refusals_are_logged_and_no_key_is(capsys: pytest.CaptureFixture[str]) -> None:
    secrets = Secrets()
    value, _ = secrets.make(SESSION, 600, "key-1")
    app = guarded(secrets, api_key=KEY)
    shown = (KEY, WRONG, value)

    async def knock() -> list[Answer]:
        return [
            await ask(app, path, headers=bearer(key) | {"Origin": origin}, subprotocols=offer(key))
            for path in ("/v1/realtime", "/v1/models")
            for key in shown
            for origin in (OWN, "https://evil.example")
        ]

    with capture_logs() as logs:
        answers = await knock()
    assert {(entry["status"], entry["reason"]) for entry in logs} == {
        (401, "invalid_api_key"),
        (403, "origin_not_allowed"),
    }
    structlog.reset_defaults()
    answers += await knock()
    out, err = capsys.readouterr()
    for key in shown:
        assert key not in f"{logs} {out} {err} {[answer.everything for answer in answers]}"

"""Which web pages come in, what they can read, and by what names the server is called."""

from __future__ import annotations

import pytest

from duologue.config import Settings
from duologue.errors import ConfigError
from duologue.server.auth import check_access, is_allowed_origin, is_handed_on, origins
from tests.server.asking import KEY, OWN, ask, bearer, guarded

pytestmark = pytest.mark.anyio

OURS = "https://ours.example"
WRONG = "wrong-key-77aa01"

# --- pages -----------------------------------------------------------------------------------------------------------

ORIGINS = [
    (None, True),
    (OWN, True),
    ("http://127.0.0.1:8710".upper(), True),
    (OURS, True),
    ("https://127.0.0.1:8710", True),
    ("null", False),
    ("https://evil.example", False),
    ("https://ours.example.evil", False),
    ("https://evil-ours.example", False),
    ("https://sub.ours.example", False),
    ("https://ours.example:8443", False),
    ("http://ours.example", False),
    ("http://127.0.0.1:8710.evil.example", False),
    ("http://127.0.0.1", False),
    ("http://127.0.0.1:1", False),
    ("http://localhost:8710", False),
    ("http://127.0.0.1:8710@evil.example", False),
    ("http://evil@127.0.0.1:8710", False),
    ("http://127.0.0.1:8710/", False),
    ("http://[", False),
    ("http://127.0.0.1:x", False),
    ("file://", False),
    ("chrome-extension://abc", False),
    ("", False),
]


@pytest.mark.parametrize(("origin", "is_let_in"), ORIGINS)
@pytest.mark.parametrize("settings", [{}, {"api_key": KEY}])
async def test_origins(origin: str | None, is_let_in: bool, settings: dict[str, str]) -> None:
    app = guarded(allowed_origins=OURS, **settings)
    headers = bearer(KEY) | ({} if origin is None else {"Origin": origin})
    socket = await ask(app, headers=headers, subprotocols=["realtime"])
    post = await ask(app, "/v1/realtime/calls", headers, method="POST")
    assert (socket.status, post.status) == ((101, 200) if is_let_in else (403, 403))
    if not is_let_in:
        assert (post.error["code"], socket.error["code"]) == ("origin_not_allowed", "origin_not_allowed")
        assert "allowed_origins" in post.error["message"]
        assert "access-control-allow-origin" not in post.headers


@pytest.mark.parametrize(
    ("origin", "host", "is_tls", "is_let_in"),
    [
        ("https://voice.example", "voice.example", True, True),
        ("https://voice.example", "voice.example:443", True, True),
        ("https://voice.example:443", "voice.example", True, True),
        ("http://voice.example", "voice.example", True, False),
        ("http://voice.example:443", "voice.example:443", True, False),
        ("https://voice.example", "voice.example", False, True),
        ("http://voice.example", "voice.example:80", False, True),
        ("http://voice.example", "voice.example:443", False, False),
        ("http://[::1]:8710", "[::1]:8710", False, True),
        ("http://none", None, False, False),
        ("http://voice.example", "", False, False),
    ],
)
def test_an_origin_behind_tls_and_proxies(origin: str, host: str | None, is_tls: bool, is_let_in: bool) -> None:
    assert is_allowed_origin(origin, host, frozenset(), is_tls=is_tls) is is_let_in


async def test_every_page_when_the_operator_says_so() -> None:
    app = guarded(allowed_origins="*")
    for origin in ("https://anything.example", "null"):
        assert (await ask(app, headers={"Origin": origin}, subprotocols=[])).status == 101


def test_origins_are_taken_as_browsers_write_them() -> None:
    given = ("https://Ours.example/", "http://a.example:80", "https://a.example:8443", "app://x", "*", "null")
    assert origins(given) == {
        "https://ours.example",
        "http://a.example",
        "https://a.example:8443",
        "app://x",
        "*",
        "null",
    }


@pytest.mark.parametrize(
    "wrong", ["ours.example", "https://", "https://ours.example/page", "http://x:port", "http://["]
)
def test_an_origin_that_no_browser_sends_is_refused_at_start(wrong: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        check_access(Settings(allowed_origins=(wrong,)))


async def test_a_page_of_another_origin_can_ask_and_read() -> None:
    app = guarded(allowed_origins=OURS, api_key=KEY)
    asked = {
        "Origin": OURS,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-os",
        "Access-Control-Request-Private-Network": "true",
    }
    preflight = await ask(app, "/v1/realtime/calls", asked, method="OPTIONS")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-origin"] == OURS
    assert preflight.headers["access-control-allow-headers"] == "Authorization, Content-Type, OpenAI-Beta, *"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert preflight.headers["access-control-allow-private-network"] == "true"
    assert "access-control-allow-credentials" not in preflight.headers
    for key, status in ((KEY, 200), (WRONG, 401)):
        answer = await ask(app, "/v1/realtime/calls", {"Origin": OURS, **bearer(key)}, method="POST")
        assert answer.status == status
        assert answer.headers["access-control-allow-origin"] == OURS
        assert answer.headers["access-control-expose-headers"] == "Location, Retry-After"
        assert answer.headers["vary"] == "Origin"
    evil = await ask(app, "/v1/realtime/calls", {**asked, "Origin": "https://evil.example"}, method="OPTIONS")
    assert (evil.status, "access-control-allow-origin" in evil.headers) == (403, False)


async def test_options_that_no_browser_asks_ahead_is_like_any_request() -> None:
    assert (await ask(guarded(api_key=KEY), "/v1/models", method="OPTIONS")).status == 401


# --- names -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:1", "127.0.0.1:8710", "127.9.9.9", "[::1]:8710", "[::1]"])
async def test_names_of_this_machine(host: str) -> None:
    assert (await ask(guarded(), "/v1/models", {"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    ["rebound.example:8710", "localhost.evil.example", "127.0.0.1.evil.example", "x@localhost", "[", "", "192.0.2.1"],
)
async def test_a_name_that_a_page_can_point_here_is_refused(host: str) -> None:
    rebound = {"Host": host, "Origin": f"http://{host}"}
    for answer in (
        await ask(guarded(), "/v1/models", rebound),
        await ask(guarded(), headers=rebound, subprotocols=[]),
    ):
        assert (answer.status, answer.error["code"]) == (403, "host_not_allowed")
        assert "allowed_hosts" in answer.error["message"]


async def test_other_names_when_the_operator_says_so_or_there_is_a_key() -> None:
    host = {"Host": "box.example:8710"}
    assert (await ask(guarded(allowed_hosts="other,box.example"), "/v1/models", host)).status == 200
    assert (await ask(guarded(allowed_hosts="*"), "/v1/models", host)).status == 200
    assert (await ask(guarded(api_key=KEY), "/v1/models", host | bearer(KEY))).status == 200


async def test_beyond_this_machine_addresses_will_do_and_foreign_names_will_not() -> None:
    app = guarded(host="0.0.0.0", allow_no_key=True)
    for host, status in (("192.0.2.1:8710", 200), ("[2001:db8::1]", 200), ("rebound.example", 403)):
        assert (await ask(app, "/v1/models", {"Host": host})).status == status


# --- whether it came from this machine -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "is_so"),
    [
        ({"host": "127.0.0.1:8710"}, False),
        ({"host": "LOCALHOST"}, False),
        ({"host": "[::1]:8710"}, False),
        ({"host": "127.0.0.2"}, False),
        ({"host": "workshop:8710"}, False),
        ({}, True),
        ({"host": ""}, True),
        ({"host": "["}, True),
        ({"host": "voice.example"}, True),
        ({"host": "localhost.voice.example"}, True),
        ({"host": "localhost@voice.example"}, True),
        ({"host": "192.0.2.7:8710"}, True),
        ({"host": "localhost", "x-forwarded-for": "127.0.0.1"}, True),
        ({"host": "localhost", "forwarded": "for=192.0.2.7"}, True),
        ({"host": "localhost", "via": "1.1 proxy"}, True),
        ({"host": "localhost", "x-real-ip": ""}, True),
    ],
)
def test_what_a_proxy_hands_on(headers: dict[str, str], is_so: bool) -> None:
    assert is_handed_on(headers, "workshop") is is_so

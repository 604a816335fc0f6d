"""A server of our own: started, waited for, measured and stopped."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from duologue.bench.child import serve_command, settings_environment, started
from duologue.bench.footprint import Meter, footprint, tree
from duologue.bench.wire import WireError

pytestmark = pytest.mark.anyio

SERVER = """
import http.server, signal, sys
class Ready(http.server.BaseHTTPRequestHandler):
    asked = 0
    def do_GET(self):
        Ready.asked += 1
        self.send_response(200 if Ready.asked > 1 else 503)
        self.end_headers()
    def log_message(self, *words): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Ready)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("loading", flush=True)
print(f"Duologue listens at http://127.0.0.1:{server.server_port}", flush=True)
server.serve_forever()
"""


async def test_a_server_is_started_waited_for_and_stopped() -> None:
    async with started([sys.executable, "-c", SERVER]) as child:
        assert child.url.startswith("http://127.0.0.1:")
        assert child.pid in tree(os.getpid())
        assert footprint(child.pid) is not None
    assert child.pid not in tree(os.getpid())


async def test_a_server_that_fails_is_quoted() -> None:
    command = [sys.executable, "-c", "import sys; print('no such profile: x'); sys.exit(2)"]
    with pytest.raises(WireError, match="did not come up: no such profile: x"):
        async with started(command):
            pytest.fail("it never came up")


@pytest.mark.parametrize(
    ("program", "within_s", "told"),
    [
        ("raise SystemExit(3)", 60, r"did not come up: it said nothing \(exit code 3\)"),
        ("input()", 0.3, "printed no address within 0.3 s: it said nothing"),
        ("print('http://127.0.0.1:1', flush=True); raise SystemExit(3)", 60, "http://127.0.0.1:1 did not become ready"),
    ],
)
async def test_one_that_dies_or_tells_no_address_is_one_clear_error(program: str, within_s: float, told: str) -> None:
    with pytest.raises(WireError, match=told):
        async with started([sys.executable, "-c", program], within_s=within_s):
            pytest.fail("it never came up")


async def test_what_cannot_be_started_says_so(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no program")
    for program, told in (("nonesuch", "No such file"), ("text", "Permission denied")):
        with pytest.raises(WireError, match=f"{program} cannot be started: {told}"):
            async with started([str(tmp_path / program)]):
                pytest.fail("it never came up")


async def test_an_error_in_the_block_passes_as_it_is_and_stops_the_server() -> None:
    with pytest.raises(LookupError):
        async with started([sys.executable, "-c", SERVER]) as child:
            raise LookupError
    assert child.pid not in tree(os.getpid())


async def test_the_command_names_port_and_profile() -> None:
    assert serve_command("scripted")[1:] == [
        *("-m", "duologue.cli.main", "serve"),
        *("--port", "0", "--profile", "scripted"),
    ]


async def test_settings_go_to_the_server_in_its_environment() -> None:
    given = settings_environment({"max_sessions": "9", "whisper.model": "tiny"})
    assert given == {"DUOLOGUE_MAX_SESSIONS": "9", "DUOLOGUE_WHISPER__MODEL": "tiny"}
    shows = [sys.executable, "-c", "import os; print('http://a:1', os.environ['DUOLOGUE_MAX_SESSIONS']); exit(3)"]
    with pytest.raises(WireError, match="http://a:1 9"):
        async with started(shows, given):
            pass


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads /proc")
async def test_cpu_time_of_this_process_grows_with_work() -> None:
    meter = Meter(os.getpid())
    before = footprint(os.getpid())
    assert before is not None
    assert before.memory_mib > 5
    while (now := footprint(os.getpid())) is not None and now.cpu_s < before.cpu_s + 0.05:
        sum(range(100_000))
    usage = meter.usage(session_s=1.0, callers=1)
    assert usage is not None
    assert usage.cpu_ms_per_session_second >= 50


async def test_a_process_that_is_gone_has_no_footprint() -> None:
    assert footprint(2**22 + 1) is None

"""A server of our own, started for one bench and stopped after it."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from tempfile import TemporaryDirectory

import anyio
import anyio.abc
import msgspec
from anyio.streams.text import TextReceiveStream

from duologue.bench.groups import lone
from duologue.bench.wire import WireError

START_TIMEOUT_S = 120.0
STOP_TIMEOUT_S = 20.0
END_S = 1.0
KEPT_LINES = 20

_ADDRESS = re.compile(r"https?://[\w.\-\[\]:]+:\d+")
ASK_AGAIN_S = 0.1


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """A running server: where it answers, and its process."""

    url: str
    pid: int


def serve_command(profile: str) -> list[str]:
    """``duologue serve`` with this interpreter, on a free port."""
    return [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", profile]


def settings_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """A server's settings as the variables that it reads: ``whisper.model`` is ``DUOLOGUE_WHISPER__MODEL``."""
    return {"DUOLOGUE_" + name.strip().upper().replace(".", "__"): value for name, value in settings.items()}


@asynccontextmanager
async def started(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, within_s: float = START_TIMEOUT_S
) -> AsyncIterator[Child]:
    """Run ``command`` until the block ends, with ``environment`` besides our own; waits for its printed address and
    for ``/readyz``, ``within_s`` each. What it keeps of conversations is gone at the end.

    Raises WireError when it cannot be started, or, with the server's last words, when it does not come up.
    """
    said: deque[str] = deque(maxlen=KEPT_LINES)
    with TemporaryDirectory(prefix="duologue-bench-") as folder:
        # Its talks are kept, since that is part of what is measured, but not among its user's.
        kept = {"DUOLOGUE_STORE_FILE": f"{folder}/conversations.db"}
        process = await _open(command, {**kept, **os.environ, **(environment or {})})
        try:
            async with anyio.create_task_group() as tasks:
                url = await tasks.start(_read, process, said, within_s)
                await _until_ready(url, process, said, within_s)
                yield Child(url=url, pid=process.pid)
                tasks.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            raise lone(group) from None
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(process)


async def _open(command: Sequence[str], environment: Mapping[str, str]) -> anyio.abc.Process:
    try:
        # A session of its own: Ctrl-C at the terminal reaches the bench alone, which then stops the server in order.
        return await anyio.open_process(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env=environment,
        )
    except OSError as error:
        raise WireError(f"{command[0]} cannot be started: {error.strerror}") from None


async def _read(
    process: anyio.abc.Process, said: deque[str], within_s: float, *, task_status: anyio.abc.TaskStatus[str]
) -> None:
    """Keep the server's last lines, so that its pipe never fills; report the first address in them."""
    url = ""
    with anyio.move_on_after(within_s) as waiting:
        async for line in _lines(process):
            said.append(line)
            if not url and (found := _ADDRESS.search(line)):
                url = found[0].replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")
                task_status.started(url)
                waiting.deadline = float("inf")
    if waiting.cancelled_caught:
        raise WireError(f"the server printed no address within {within_s:g} s: {_last_words(said)}")
    if not url:
        raise WireError(f"the server did not come up: {_last_words(said)}{await _its_end(process)}")


async def _its_end(process: anyio.abc.Process) -> str:
    """Of a process that prints no more: it may have closed its output, and live."""
    with anyio.move_on_after(END_S):
        return f" (exit code {await process.wait()})"
    return ""


async def _lines(process: anyio.abc.Process) -> AsyncIterator[str]:
    assert process.stdout is not None
    rest = ""
    async for text in TextReceiveStream(process.stdout, errors="replace"):
        *lines, rest = (rest + text).split("\n")
        for line in lines:
            yield line
    if rest:
        yield rest


async def _until_ready(url: str, process: anyio.abc.Process, said: deque[str], within_s: float) -> None:
    with anyio.move_on_after(within_s):
        while process.returncode is None:
            if await anyio.to_thread.run_sync(_is_ready, url):
                return
            await anyio.sleep(ASK_AGAIN_S)
    raise WireError(f"the server at {url} did not become ready: {_last_words(said)}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except urllib.error.HTTPError as not_yet:
        # A server without /readyz is ready once it answers at all.
        return not_yet.code == 404
    except (OSError, http.client.HTTPException):
        return False


def _last_words(said: deque[str]) -> str:
    return next((line.strip() for line in reversed(said) if line.strip()), "it said nothing")


async def _stop(process: anyio.abc.Process) -> None:
    """SIGTERM, then SIGKILL for one that does not go."""
    if process.returncode is None:
        process.terminate()
        with anyio.move_on_after(STOP_TIMEOUT_S):
            await process.wait()
    if process.returncode is None:
        process.kill()
    await process.aclose()

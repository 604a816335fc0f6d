"""A llama.cpp server beside Duologue, with a stand-in for its program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from duologue.engines.base import ChatMessage, ChatRequest
from duologue.engines.chat import llama_server
from duologue.engines.chat.llama_process import find_model
from duologue.engines.chat.llama_server import LlamaServer
from duologue.errors import EngineLost, EngineUnavailable
from duologue.options import ChatOptions, LlamaServerOptions

STAND_IN = Path(__file__).parent / "llama_stand_in.py"

pytestmark = pytest.mark.anyio


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The stand-in as a program of its own."""
    program = tmp_path / "llama-server"
    program.write_text(f"#!{sys.executable}\n{STAND_IN.read_text()}")
    program.chmod(0o755)
    return program


def options(program: Path, nature: str = "", **more: Any) -> LlamaServerOptions:
    model = program.parent / "tiny.gguf"
    model.write_bytes(b"GGUF" + nature.encode())
    return LlamaServerOptions(model=str(model), binary=str(program), **more)


def told(program: Path, name: str = "started") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((program.parent / f"{name}.json").read_text())
    return found


@asynccontextmanager
async def started(chosen: LlamaServerOptions) -> AsyncIterator[LlamaServer]:
    server = LlamaServer(chosen, ChatOptions(retries=0))
    await server.start()
    try:
        yield server
    finally:
        await server.aclose()


async def ask(server: LlamaServer, text: str = "Hello?") -> str:
    async with server.stream(ChatRequest((ChatMessage("user", text),))) as deltas:
        return "".join([delta.text async for delta in deltas])


def is_alive(process_id: int) -> bool:
    """A zombie is dead: not every container has somebody who buries orphans."""
    try:
        os.kill(process_id, 0)
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except ProcessLookupError:
        return False
    except FileNotFoundError:
        return sys.platform != "linux"
    return state != "Z"


async def test_starts_answers_and_stops(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_ARG_API_PREFIX", "/elsewhere")
    monkeypatch.setenv("LLAMA_ARG_FLASH_ATTN", "on")
    async with started(options(program, context_tokens=1024, parallel=3, threads=2)) as server:
        assert server.model == "tiny"
        await server.warm_up()
        assert await ask(server) == "Hello there"
        start = told(program)
        assert start["pid"] == server.process_id == start["group"]
    assert not is_alive(start["pid"])
    flags = start["flags"]
    assert flags.pop("--port").isdecimal()
    assert flags == {
        "--model": str(program.parent / "tiny.gguf"),
        "--alias": "tiny",
        "--host": "127.0.0.1",
        "--ctx-size": "3072",
        "--parallel": "3",
        "--n-gpu-layers": "999",
        "--threads": "2",
    }
    variables = start["variables"]
    assert len(variables.pop("LLAMA_API_KEY")) > 20
    assert variables == {"LLAMA_ARG_FLASH_ATTN": "on", "LLAMA_ARG_JINJA": "1", "LLAMA_ARG_THINK_BUDGET": "0"}
    assert told(program, "asked")["cache_prompt"] is True
    with pytest.raises(EngineLost, match="not started"):
        await ask(server)


async def test_a_model_that_cannot_be_loaded_says_why(program: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"status 1\. It says: .*'output\.weight' is missing"):
        async with started(options(program, "bad")):
            pass


async def test_a_program_that_is_none(program: Path) -> None:
    await anyio.Path(program).write_text("not a program")
    with pytest.raises(EngineUnavailable, match="llama-server ended"):
        async with started(options(program)):
            pass
    with pytest.raises(EngineUnavailable, match=r"install llama\.cpp"):
        async with started(options(program).model_copy(update={"binary": "no-such-llama-server"})):
            pass


async def test_a_death_loses_the_answer_and_the_next_one_waits_for_a_new_server(program: Path) -> None:
    async with started(options(program)) as server:
        first = server.process_id
        with pytest.raises(EngineLost, match=r"SIGKILL. It says: GGML_ASSERT"):
            await ask(server, "Please die")
        async with anyio.create_task_group() as group:
            answers: list[str] = []

            async def once() -> None:
                answers.append(await ask(server))

            group.start_soon(once)
            group.start_soon(once)
        assert answers == ["Hello there"] * 2
        assert server.process_id != first


async def test_a_second_death_within_a_minute_is_left_alone_for_that_minute(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with started(options(program)) as server:
        for _ in range(2):
            with pytest.raises(EngineLost, match="SIGKILL"):
                await ask(server, "die")
        with pytest.raises(EngineLost, match="not started again for a minute"):
            await ask(server)
        monkeypatch.setattr(llama_server, "_RESTART_EVERY_S", 0.0)
        assert await ask(server) == "Hello there"


async def test_giving_up_the_start_leaves_nothing_behind(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.engines.chat.llama_process._STOP_TIMEOUT_S", 0.1)
    server = LlamaServer(options(program, "stuck"))
    async with anyio.create_task_group() as group:
        group.start_soon(server.start)
        with anyio.fail_after(10):
            while not (program.parent / "started.json").exists():
                await anyio.sleep(0.01)
        assert server.process_id is not None
        group.cancel_scope.cancel()
    assert not is_alive(server.process_id)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
async def test_it_dies_with_duologue(program: Path) -> None:
    chosen = options(program)
    script = (
        "import anyio, sys\n"
        "from duologue.engines.chat.llama_server import LlamaServer\n"
        "from duologue.options import LlamaServerOptions\n"
        "async def main():\n"
        f"    await LlamaServer(LlamaServerOptions(model={chosen.model!r}, binary={chosen.binary!r})).start()\n"
        "    print('up', flush=True)\n"
        "    await anyio.sleep(60)\n"
        "anyio.run(main)\n"
    )
    async with await anyio.open_process([sys.executable, "-c", script], stdin=subprocess.DEVNULL) as parent:
        assert parent.stdout is not None
        with anyio.fail_after(15):
            assert (await parent.stdout.receive()).startswith(b"up")
        child = told(program)["pid"]
        assert is_alive(child)
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
    with anyio.fail_after(10):
        while is_alive(child):
            await anyio.sleep(0.01)


def test_which_file_is_the_model(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    model = tmp_path / "deep" / "chat-00001-of-00002.gguf"
    for path in (model, tmp_path / "deep" / "chat-00002-of-00002.gguf", tmp_path / "mmproj-chat.gguf"):
        path.write_bytes(b"GGUF....")
    assert find_model(str(tmp_path)) == model
    assert find_model(str(model)) == model
    (tmp_path / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(EngineUnavailable, match=r"several models \(chat-00001-of-00002\.gguf, other\.gguf\)"):
        find_model(str(tmp_path))


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match=r"no \.gguf file"):
        find_model(str(tmp_path))
    pointer = tmp_path / "model.gguf"
    pointer.write_text("version https://git-lfs.github.com/spec/v1")
    with pytest.raises(EngineUnavailable, match="is no GGUF file"):
        find_model(str(pointer))
    with pytest.raises(EngineUnavailable, match="cannot be read"):
        find_model(str(tmp_path / "gone.gguf"))

"""llama.cpp's server as a process: where its program and model are, how it is started, what it said last."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import deque
from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from duologue.engines import weights
from duologue.engines.chat import with_parent
from duologue.engines.http import shorten
from duologue.errors import EngineUnavailable
from duologue.options import LlamaServerOptions

HOST = "127.0.0.1"

_MAGIC = b"GGUF"
_LATER_PART = re.compile(r"-(?!00001)\d{5}-of-\d{5}\.gguf$")
# More layers than any model has; a build without a GPU passes over it.
_ALL_LAYERS = 999
_STOP_TIMEOUT_S = 5.0
_KEPT_LINES = 60
_TOLD_LINES = 3
_TELLING = re.compile(
    r"error|fail|unable|cannot|could not|invalid|unknown|unsupported|out of memory|assert|couldn.t", re.I
)
# Settings of llama.cpp's own that would move the server away from where it is looked for.
_FOREIGN_VARIABLES = {
    "LLAMA_ARG_API_KEY_FILE",
    "LLAMA_ARG_API_PREFIX",
    "LLAMA_ARG_SSL_CERT_FILE",
    "LLAMA_ARG_SSL_KEY_FILE",
}


def find_program(name: str) -> str:
    """The program's path. Raises EngineUnavailable with how to get it."""
    program = shutil.which(Path(name).expanduser())
    if program is None:
        raise EngineUnavailable(
            f"{name} is not on this machine: install llama.cpp (brew install llama.cpp, winget install llama.cpp, or "
            "a release from github.com/ggml-org/llama.cpp), or set `binary` in the table [llama_server]"
        )
    return program


def find_model(name: str) -> Path:
    """The GGUF file of a model. Raises EngineUnavailable where there is none, or where it is no GGUF."""
    folder = Path(name).expanduser() if name.endswith(".gguf") else weights.model_folder(name)
    file = folder if folder.suffix == ".gguf" else _only_model(folder)
    try:
        with file.open("rb") as opened:
            magic = opened.read(len(_MAGIC))
    except OSError as error:
        raise EngineUnavailable(f"the model {file} cannot be read: {error.strerror}") from error
    if magic != _MAGIC:
        raise EngineUnavailable(f"{file} is no GGUF file: it may be a pointer to one, or an unfinished download")
    return file


def _only_model(folder: Path) -> Path:
    """The one model of a folder; of one in parts the first. A projector for pictures or sound is no model."""
    files = sorted(file for file in folder.glob("**/*.gguf") if "mmproj" not in file.name.lower())
    files = [file for file in files if not _LATER_PART.search(file.name)]
    if len(files) == 1:
        return files[0]
    if not files:
        raise EngineUnavailable(f"there is no .gguf file in {folder}: choose another model for llama-server")
    names = ", ".join(file.name for file in files[:5])
    raise EngineUnavailable(f"{folder} has several models ({names}): set `model` to the path of one of them")


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
    return port


def arguments(program: str, model: Path, port: int, options: LlamaServerOptions) -> list[str]:
    """The command line: flags that llama.cpp has had since 2024 and has today."""
    layers = _ALL_LAYERS if options.gpu_layers < 0 else options.gpu_layers
    command = [program, "--model", str(model), "--alias", model.stem, "--host", HOST, "--port", str(port)]
    # The context is shared out among the conversations.
    command += ["--ctx-size", str(options.context_tokens * options.parallel), "--parallel", str(options.parallel)]
    command += ["--n-gpu-layers", str(layers)]
    return command + (["--threads", str(options.threads)] if options.threads else [])


def environment(api_key: str) -> dict[str, str]:
    """What goes by variables, since a version that does not know one passes over it.

    The key keeps web pages and other users of the machine out; on the command line all could read it. Tool calls need
    the Jinja templates. Nobody waits for a voice that thinks first, so reasoning is off unless it is asked for there.
    """
    own = {name: value for name, value in os.environ.items() if name not in _FOREIGN_VARIABLES}
    own.setdefault("LLAMA_ARG_THINK_BUDGET", "0")
    return own | {"LLAMA_API_KEY": api_key, "LLAMA_ARG_JINJA": "1"}


class LlamaProcess:
    """One life of the server. To be made in the thread of the event loop (``with_parent`` says why)."""

    def __init__(self, command: list[str], variables: dict[str, str]) -> None:
        if sys.platform == "linux":
            command = [sys.executable, "-I", "-S", with_parent.__file__, str(os.getpid()), *command]
        try:
            # A session of its own: Ctrl-C at the terminal then reaches Duologue alone.
            self._process = subprocess.Popen(
                command,
                env=variables,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise EngineUnavailable(f"{command[0]} cannot be started: {error.strerror}") from error
        self._lines: deque[str] = deque(maxlen=_KEPT_LINES)
        # A pipe that nobody reads would stop the server when it is full.
        self._reader = threading.Thread(target=self._read, name="llama-server's log", daemon=True)
        self._reader.start()

    @property
    def process_id(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    async def has_ended(self, within_s: float) -> bool:
        """Whether it ends within so long: its connections break a moment before it is gone."""
        with suppress(subprocess.TimeoutExpired):
            await anyio.to_thread.run_sync(self._process.wait, within_s)
        return not self.is_running

    def ending(self) -> str:
        """How it ended, with the last of its log that tells why."""
        status = self._process.poll()
        if status is None:
            how = "is running"
        elif status < 0:
            how = f"was ended by {signal.Signals(-status).name}"
        else:
            how = f"ended with status {status}"
        # The last lines are still in the pipe when it ends.
        self._reader.join(0.1 if status is not None else 0)
        lines = [line for line in list(self._lines) if _TELLING.search(line)]
        if not lines and status == -signal.SIGKILL:
            return f"llama-server {how}: is there memory enough for its model and context?"
        lines = lines or list(self._lines)
        said = "; ".join(shorten(line) for line in lines[-_TOLD_LINES:])
        return f"llama-server {how}. It says: {said}" if said else f"llama-server {how}"

    async def stop(self) -> None:
        """Ask it to end, and end it where it does not."""
        with anyio.CancelScope(shield=True):
            self._process.terminate()
            if not await self.has_ended(_STOP_TIMEOUT_S):
                self._process.kill()
                await anyio.to_thread.run_sync(self._process.wait)
            await anyio.to_thread.run_sync(self._reader.join)

    def _read(self) -> None:
        if self._process.stdout is None:
            return
        with self._process.stdout as log:
            for line in log:
                if text := line.decode("utf-8", "replace").strip():
                    self._lines.append(text)

"""One turn's WebSocket to vLLM's ``/v1/realtime``: sound in as it is spoken, words out as they are known.

The conversation, as a real vLLM (0.32) was seen to have it; every message is JSON::

    server                                   client
    session.created
                                             session.update {model}
                                             input_audio_buffer.commit            starts the transcription
                                             input_audio_buffer.append {audio}*   base64 of int16 at 16 kHz
    transcription.delta {delta}*             one each 80 ms of sound, most of them empty
                                             input_audio_buffer.commit {final: true}
    transcription.delta {delta}*
    transcription.done {text, usage}
    error {error, code}                      at any time

It is no conversation of OpenAI's Realtime protocol: it only transcribes. A connection serves one turn. vLLM has been
seen to fall silent on a second one, to keep the memory of a turn that nobody ends, and to die of connections that
break off; so all waiting has a limit, and a turn that is given up is ended and closed in due form.
"""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from urllib.parse import urlsplit, urlunsplit

import anyio
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus, WebSocketException

from duologue.audio.codec import encode_pcm16
from duologue.audio.frame import SESSION_RATE_HZ, Float32, to_int16
from duologue.engines.http import auth_headers, error_text, is_own_machine, shorten, without_password
from duologue.errors import EngineError, EngineLost, EngineUnavailable

OPEN_TIMEOUT_S = 3.0
# The longest silence of a server that has 2 s of sound to answer; with less it may be waiting for more.
STALL_S = 5.0
_ANSWERED_SAMPLES = 2 * SESSION_RATE_HZ
_CLOSE_TIMEOUT_S = 2.0
_SEND_TIMEOUT_S = 3.0
_PING_S = 10.0
_APPEND_SAMPLES = SESSION_RATE_HZ
_MAX_MESSAGE_BYTES = 1_048_576


class _Event(msgspec.Struct):
    type: str = ""
    delta: str = ""
    text: str = ""
    error: msgspec.Raw = msgspec.Raw(b'""')
    code: str | int | None = None


def realtime_url(base_url: str) -> str:
    """``http://host/v1`` -> ``ws://host/v1/realtime``."""
    parts = urlsplit(base_url.rstrip("/"))
    scheme = "wss" if parts.scheme in {"https", "wss"} else "ws"
    return urlunsplit((scheme, parts.netloc, f"{parts.path}/realtime", "", ""))


class VllmTurn:
    """One turn. ``sent_samples``: how much of it the server has; ``is_final``: no more can be sent.

    ``idle_s``: after so long without ``touch`` it closes itself. Made by ``open``; ended by ``give_up``.
    """

    def __init__(self, connection: ClientConnection, idle_s: float) -> None:
        self.sent_samples = 0
        self.is_final = False
        self.failure: EngineError | None = None
        self._connection = connection
        self._idle_s = idle_s
        self._deltas: list[str] = []
        self._text: str | None = None
        self._unanswered_samples = 0
        self._unanswered_since_s: float | None = None
        self._changed = anyio.Event()
        self._reading = anyio.CancelScope(deadline=anyio.current_time() + idle_s)
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, base_url: str, model: str, idle_s: float) -> VllmTurn:
        """Connect and start a transcription. Raises EngineLost, EngineUnavailable."""
        turn = cls(await dial(base_url), idle_s)
        is_ready = False
        try:
            await turn._send({"type": "session.update", "model": model})
            await turn._send({"type": "input_audio_buffer.commit"})
            is_ready = True
        finally:
            if not is_ready:
                with anyio.CancelScope(shield=True):
                    await hang_up(turn._connection)
        turn._task = asyncio.get_running_loop().create_task(turn._read(), name="vllm turn")
        return turn

    @property
    def text(self) -> str:
        """The words so far; all of them once they are final."""
        return ("".join(self._deltas) if self._text is None else self._text).strip()

    @property
    def is_open(self) -> bool:
        """Whether more sound may be sent."""
        return self.failure is None and not self.is_final and not self._reading.cancel_called

    @property
    def is_done(self) -> bool:
        return self._text is not None

    def touch(self) -> None:
        """It is still wanted."""
        self._reading.deadline = anyio.current_time() + self._idle_s

    async def append(self, audio: Float32) -> None:
        """What comes after ``sent_samples`` of the turn ``audio``. Raises EngineLost."""
        self.touch()
        self._refuse_stall()
        while self.sent_samples < len(audio):
            piece = audio[self.sent_samples : self.sent_samples + _APPEND_SAMPLES]
            self.sent_samples += len(piece)
            data = base64.b64encode(encode_pcm16(to_int16(piece))).decode("ascii")
            await self._send({"type": "input_audio_buffer.append", "audio": data})
            self._unanswered_samples += len(piece)
            if self._unanswered_since_s is None and self._unanswered_samples >= _ANSWERED_SAMPLES:
                self._unanswered_since_s = anyio.current_time()

    async def finish(self) -> str:
        """Nothing more comes: the words of all. Raises EngineLost where the server falls silent."""
        await self._commit_final()
        while self._text is None:
            if self.failure is not None:
                raise self.failure
            changed = self._changed
            with anyio.move_on_after(STALL_S) as waiting:
                await changed.wait()
            if waiting.cancelled_caught:
                raise self._fail(EngineLost(f"vLLM sent nothing for {STALL_S:.0f} s: it hangs, or is overloaded"))
            self.touch()
        return self.text

    async def give_up(self) -> None:
        """End the turn and close the connection in due form, whatever state they are in."""
        self._reading.cancel()
        if self._task is not None:
            await self._task

    async def _commit_final(self) -> None:
        if not self.is_final:
            self.is_final = True
            await self._send({"type": "input_audio_buffer.commit", "final": True})

    async def _send(self, message: dict[str, object]) -> None:
        if self.failure is not None:
            raise self.failure
        try:
            with anyio.fail_after(_SEND_TIMEOUT_S):
                await self._connection.send(msgspec.json.encode(message).decode())
        except TimeoutError as error:
            raise self._fail(EngineLost("vLLM takes no more sound: it hangs, or is overloaded")) from error
        except (WebSocketException, OSError) as error:
            raise self._fail(EngineLost("vLLM closed the connection in the middle of a turn")) from error

    async def _read(self) -> None:
        """Take events until the turn is done, idle or given up."""
        with self._reading:
            await self._take_events()
        with anyio.CancelScope(shield=True):
            if self.failure is None and not self.is_done:
                # An unfinished transcription is ended first: cut off in the middle it has killed the server.
                with anyio.move_on_after(_CLOSE_TIMEOUT_S), suppress(EngineLost):
                    await self._commit_final()
                    await self._take_events()
                self._fail(EngineLost("the turn was closed: nobody asked for it any more"))
            await hang_up(self._connection)

    async def _take_events(self) -> None:
        try:
            async for message in self._connection:
                self._unanswered_samples, self._unanswered_since_s = 0, None
                self._take(message)
                self._tell()
                if self.is_done or self.failure is not None:
                    return
        except (WebSocketException, OSError):
            self._fail(EngineLost("vLLM broke off the connection in the middle of a turn"))
        else:
            self._fail(EngineLost("vLLM closed the connection in the middle of a turn"))

    def _take(self, message: str | bytes) -> None:
        try:
            event = msgspec.json.decode(message, type=_Event)
        except msgspec.MsgspecError:
            said = shorten(message if isinstance(message, str) else message.decode("utf-8", "replace"))
            self._fail(EngineError(f"what answers at /v1/realtime is no vLLM. It says: {said}"))
            return
        if event.type == "transcription.delta":
            self._deltas.append(event.delta)
        elif event.type == "transcription.done":
            self._text = event.text
        elif event.type == "error":
            self._fail(EngineLost(f"vLLM gave up a turn ({event.code}). It says: {error_text(bytes(event.error))}"))

    def _refuse_stall(self) -> None:
        since_s = self._unanswered_since_s
        if since_s is not None and anyio.current_time() - since_s > STALL_S:
            raise self._fail(EngineLost(f"vLLM sent nothing for {STALL_S:.0f} s: it hangs, or is overloaded"))

    def _fail(self, failure: EngineError) -> EngineError:
        """The first failure is the one that counts."""
        if self.failure is None and not self.is_done:
            self.failure = failure
        self._tell()
        return self.failure or failure

    def _tell(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


async def dial(base_url: str) -> ClientConnection:
    """A connection on which the server has said ``session.created``. Raises EngineLost, EngineUnavailable."""
    url = realtime_url(base_url)
    shown = without_password(url)
    try:
        with anyio.fail_after(OPEN_TIMEOUT_S):
            connection = await connect(
                url,
                additional_headers=auth_headers(url),
                proxy=None if is_own_machine(url) else True,
                compression=None,
                open_timeout=None,
                close_timeout=_CLOSE_TIMEOUT_S,
                ping_interval=_PING_S,
                ping_timeout=_PING_S,
                max_size=_MAX_MESSAGE_BYTES,
            )
    except InvalidStatus as error:
        raise _no_endpoint(shown, error.response.status_code) from error
    except (WebSocketException, OSError, TimeoutError) as error:
        raise EngineLost(f"no vLLM answers at {shown}") from error
    await _greeting(connection, shown)
    return connection


async def hang_up(connection: ClientConnection) -> None:
    """Close it in due form; the time for that is limited."""
    try:
        await connection.close()
    except (WebSocketException, OSError):
        return


async def _greeting(connection: ClientConnection, url: str) -> None:
    is_greeted = False
    try:
        with anyio.fail_after(OPEN_TIMEOUT_S):
            event = msgspec.json.decode(await connection.recv(), type=_Event)
        is_greeted = event.type == "session.created"
        if not is_greeted:
            raise EngineUnavailable(f"what answers at {url} is no vLLM: it began with {event.type!r}")
    except (WebSocketException, OSError, TimeoutError) as error:
        raise EngineLost(f"vLLM at {url} accepts connections but says nothing: it hangs, or is starting") from error
    except msgspec.MsgspecError as error:
        raise EngineUnavailable(f"what answers at {url} is no vLLM") from error
    finally:
        if not is_greeted:
            with anyio.CancelScope(shield=True):
                await hang_up(connection)


def _no_endpoint(url: str, status: int) -> EngineError:
    if status in {401, 403}:
        return EngineUnavailable(f"{url} refuses the connection ({status}): set OPENAI_API_KEY, or check the model")
    if status == 429 or status >= 500:
        return EngineLost(f"{url} takes no connection now ({status})")
    return EngineUnavailable(f"{url} is no realtime endpoint ({status}): it needs vLLM with a Voxtral Realtime model")

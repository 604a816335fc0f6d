"""Every event that the server sends fits the types of the Python SDKs and the schemas of the JavaScript one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception

import anyio
import pytest
from websockets.exceptions import WebSocketException

from tests.conformance.conftest import Run
from tests.conformance.recorder import TALKS, record

pytestmark = pytest.mark.timeout(90)

# Of the events that a WebSocket carries; transcripts of several speakers and failures are left out.
KINDS = {
    "conversation.item.added",
    "conversation.item.deleted",
    "conversation.item.done",
    "conversation.item.input_audio_transcription.completed",
    "conversation.item.retrieved",
    "conversation.item.truncated",
    "error",
    "input_audio_buffer.cleared",
    "input_audio_buffer.committed",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.timeout_triggered",
    "mcp_list_tools.completed",
    "mcp_list_tools.failed",
    "mcp_list_tools.in_progress",
    "response.content_part.added",
    "response.content_part.done",
    "response.created",
    "response.done",
    "response.function_call_arguments.delta",
    "response.function_call_arguments.done",
    "response.mcp_call.completed",
    "response.mcp_call.in_progress",
    "response.mcp_call_arguments.delta",
    "response.mcp_call_arguments.done",
    "response.output_audio.delta",
    "response.output_audio.done",
    "response.output_audio_transcript.delta",
    "response.output_audio_transcript.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_text.delta",
    "response.output_text.done",
    "session.created",
    "session.updated",
}


@dataclass
class Recording:
    """``path``: all that the server sent, one event a line. ``failures``: talks that did not go as they should."""

    path: Path
    failures: list[str]


@pytest.fixture(scope="module")
def recording(server_url: str, mcp_url: str, speech: Path, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    pcm = speech.read_bytes()
    frames: list[str] = []
    failures: list[str] = []

    async def hold(name: str) -> None:
        try:
            await record(TALKS[name], server_url, frames, pcm, mcp_url)
        except (AssertionError, TimeoutError, WebSocketException) as error:
            failures.append("".join([f"{name}: ", *format_exception(error)[-3:]]))

    async def hold_all() -> None:
        async with anyio.create_task_group() as talks:
            for name in TALKS:
                talks.start_soon(hold, name)

    anyio.run(hold_all)
    path = tmp_path_factory.mktemp("frames") / "frames.jsonl"
    path.write_text("\n".join(frames), encoding="utf-8")
    return Recording(path, failures)


def test_the_talks_went_well(recording: Recording) -> None:
    assert not recording.failures, "\n".join(recording.failures)


def test_all_kinds_were_seen(recording: Recording) -> None:
    seen = {json.loads(line)["type"] for line in recording.path.read_text(encoding="utf-8").splitlines()}
    assert seen >= KINDS, sorted(KINDS - seen)


def test_the_python_types_fit(recording: Recording, run_python: Run) -> None:
    assert "0 that do not fit" in run_python("client_schemas.py", recording.path)


def test_the_zod_schemas_fit(recording: Recording, run_node: Run) -> None:
    assert "0 that do not fit" in run_node("schemas.mjs", recording.path)

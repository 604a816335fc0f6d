"""A server that is killed in the middle of a talk: what was said is still there when it starts again."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx2
import pytest

from tests.server.caller import calling

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(60)]


@contextmanager
def killable(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server whose data is in ``folder``, and its address; dead at the end, whatever it was doing."""
    command = [sys.executable, "-m", "duologue.cli.main", "serve", "--port", "0", "--profile", "scripted"]
    environment = os.environ | {"XDG_DATA_HOME": str(folder)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http(://\S+)", process.stdout.readline())
            assert found is not None
            yield process, found[1].rstrip("/")
        finally:
            process.kill()


async def test_what_was_said_before_a_kill_is_told_after_it(tmp_path: Path) -> None:
    with killable(tmp_path) as (process, url):
        async with calling(f"ws{url}/v1/realtime?x_conversation=new", takes_own=True) as caller:
            [told] = caller.of("duologue.conversation.opened")
            await caller.write("Remember the number seven.")
            await caller.send("response.create", response={"output_modalities": ["text"]})
            await caller.wait("response.done")
            before = [frame["item"]["id"] for frame in caller.of("conversation.item.added")]
            await _written(f"http{url}/v1/conversations/{told['conversation_id']}/items", len(before))
            # Something is always under way.
            await caller.write("Tell me a story.")
            await caller.send("response.create")
            await caller.wait("response.output_audio.delta")
            process.send_signal(signal.SIGKILL)
            await caller.closed()
    with killable(tmp_path) as (_, url):
        address = f"ws{url}/v1/realtime?x_conversation={told['conversation_id']}"
        async with calling(address, takes_own=True, before=before) as caller:
            [again] = caller.of("duologue.conversation.opened")
            assert again["title"] == "Remember the number seven."
            assert again["items"] >= 2
            for item_id in before:
                await caller.send("conversation.item.retrieve", item_id=item_id)
            shown = await caller.wait("conversation.item.retrieved", len(before))
            assert shown["item"]["status"] == "completed"
            [first, *_] = caller.of("conversation.item.retrieved")
            assert first["item"]["content"][0]["text"] == "Remember the number seven."


async def _written(url: str, items: int) -> None:
    async with httpx2.AsyncClient() as client:
        with anyio.fail_after(10):
            while True:
                answer = await client.get(url)
                if answer.status_code == 200 and len(answer.json()["data"]) >= items:
                    return
                await anyio.sleep(0.05)

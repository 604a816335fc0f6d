"""What the OpenAI SDK's own types take for one frame of sound, in whichever Python has the SDK.

Run by its path, with no more than the standard library and ``openai``: the SDK may live in an environment of its own.
It says on one line what is installed, then for each line ``CASE COUNT`` the microseconds of CPU that one frame took.
"""

from __future__ import annotations

import base64
import importlib
import json
import sys
import time
from collections.abc import Callable
from typing import Any

MISSING_CODE = 3
FRAME_IN_BYTES, FRAME_OUT_BYTES = 960, 4_800


def cases() -> dict[str, Callable[[], object]]:
    """What is timed, by name. Raises ImportError without the SDK."""
    types: Any = importlib.import_module("openai.types.realtime")
    adapter: Any = importlib.import_module("pydantic").TypeAdapter(types.RealtimeClientEvent)
    appended = base64.b64encode(bytes(range(256)) * 4)[: FRAME_IN_BYTES * 4 // 3].decode()
    frame = json.dumps({"type": "input_audio_buffer.append", "audio": appended})
    pcm = (bytes(range(256)) * 19)[:FRAME_OUT_BYTES]

    def fields() -> dict[str, object]:
        return {
            "type": "response.output_audio.delta",
            "event_id": "event_0123456789abcdef01234567",
            "response_id": "resp_0123456789abcdef01234567",
            "item_id": "item_0123456789abcdef01234567",
            "output_index": 0,
            "content_index": 0,
            "delta": base64.b64encode(pcm).decode(),
        }

    def read(event: Any) -> bytes:
        return base64.b64decode(event.audio, validate=True)

    known, delta = types.InputAudioBufferAppendEvent, types.ResponseAudioDeltaEvent
    return {
        "in-known": lambda: read(known.model_validate_json(frame)),
        "in-any": lambda: read(adapter.validate_json(frame)),
        "out-checked": lambda: delta.model_validate(fields()).model_dump_json().encode(),
        "out-unchecked": lambda: delta.construct(**fields()).model_dump_json().encode(),
    }


def us_each(run: Callable[[], object], count: int) -> float:
    """Microseconds of this thread's CPU that one of ``count`` calls took."""
    began_s = time.thread_time()
    for _ in range(count):
        run()
    return (time.thread_time() - began_s) / count * 1e6


def main() -> int:
    """Answer until the input ends. Exit code 3: the SDK is not installed."""
    try:
        version = importlib.import_module("openai").__version__
        timed = cases()
    except ImportError:
        return MISSING_CODE
    print(f"openai {version}", flush=True)
    for line in sys.stdin:
        name, count = line.split()
        print(us_each(timed[name], int(count)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

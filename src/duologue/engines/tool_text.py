"""What goes to a tool and comes back from it, as text: arguments checked, results cut to a size."""

from __future__ import annotations

from typing import Any

import msgspec

from duologue.items import McpFailure

# What one result may add to a prompt and to the history: some 16,000 tokens.
MAX_RESULT_BYTES = 65_536
# JSON-RPC 2.0, section 5.1; the last two are MCP's own.
INTERNAL_ERROR = -32603
INVALID_PARAMS = -32602
TIMED_OUT = -32001
CONNECTION_CLOSED = -32000


def arguments_of(text: str) -> dict[str, Any] | McpFailure:
    """The arguments of a call as the model wrote them; "" stands for none."""
    try:
        found = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        found = None
    if isinstance(found, dict):
        return found
    return McpFailure(kind="protocol_error", code=INVALID_PARAMS, message="the arguments are not a JSON object")


def cut(text: str, most_bytes: int = MAX_RESULT_BYTES) -> str:
    """``text`` of at most ``most_bytes`` in UTF-8, with a note where something is missing."""
    data = text.encode("utf-8", "replace")
    if len(data) <= most_bytes:
        return data.decode()
    note = f"\n[cut here: the result has {len(data)} bytes]"
    return data[: most_bytes - len(note)].decode("utf-8", "ignore") + note

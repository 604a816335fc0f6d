"""How this speaker pauses, learned while the conversation goes on."""

from __future__ import annotations

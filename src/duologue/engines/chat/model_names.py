"""Which of the models that a server lists can be talked with, as far as their names tell."""

from __future__ import annotations

from collections.abc import Iterable

# A list for people to choose from. Hosted routers list thousands.
MOST_MODELS = 64
_LONGEST_NAME = 128
# Other work than chat, as servers for many kinds of model name it.
_OTHER_WORK = (
    "embed", "minilm", "bge-", "rerank", "whisper", "transcribe", "tts", "kokoro", "dall-e", "gpt-image",
    "stable-diffusion", "sora-", "moderation", "realtime", "davinci-002", "babbage-002",
)  # fmt: skip


def can_chat(name: str) -> bool:
    """Whether nothing in the name says that this model does something else."""
    return not any(part in name.lower() for part in _OTHER_WORK)


def chat_models(default: str, names: Iterable[str]) -> tuple[str, ...]:
    """``default`` first, then those of ``names`` that are chat models, each once, in their order."""
    others = [name for name in names if can_chat(name) and 0 < len(name) <= _LONGEST_NAME]
    return tuple(dict.fromkeys([default, *(name for name in others if name != f"{default}:latest")]))[:MOST_MODELS]


def is_listed(model: str, names: Iterable[str]) -> bool:
    """Ollama lists "name:latest" for what may be asked for as "name"."""
    return not {model, f"{model}:latest"}.isdisjoint(names)

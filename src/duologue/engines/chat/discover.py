"""Which chat server answers: the one that is named, else one that is plainly there."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import urlsplit, urlunsplit

import anyio
import httpx2
import msgspec

from duologue.engines.chat.model_names import can_chat
from duologue.engines.chat.openai_chat import OpenAIChat
from duologue.engines.http import is_own_machine
from duologue.errors import ConfigError, EngineUnavailable
from duologue.options import ChatOptions

OLLAMA_URL = "http://127.0.0.1:11434"
PROBE_TIMEOUT_S = 0.3

_DEFAULTS = ChatOptions()


class _Details(msgspec.Struct):
    family: str | None = None


class _Tag(msgspec.Struct):
    name: str
    details: _Details | None = None
    capabilities: list[str] | None = None


class _Tags(msgspec.Struct):
    models: list[_Tag] | None = None


async def find_chat(
    llm: str | None,
    llm_model: str | None,
    env: Mapping[str, str],
    options: ChatOptions = _DEFAULTS,
    *,
    ollama_url: str = OLLAMA_URL,
) -> OpenAIChat | None:
    """A chat model that has been started, or None where there is none to be found.

    Looked for in this order: ``llm``, an address with or without scheme and ``/v1``; ``OPENAI_BASE_URL`` in
    ``env``; an Ollama on this machine. Nothing but 127.0.0.1 is contacted without being named.

    ``OPENAI_API_KEY`` goes along to the first two, but never over plain HTTP to another machine, where everybody on
    the way could read it, unless ``OPENAI_BASE_URL`` says that the key is for that server; ``model_warning`` tells
    that it stayed here.

    Raises ConfigError for an address that is none, EngineUnavailable where a named server does not answer.
    """
    address = llm or env.get("OPENAI_BASE_URL")
    if not address:
        models = await _ollama_models(ollama_url)
        if not models:
            return None
        url, tags = f"{ollama_url}/v1", partial(_ollama_models, ollama_url)
        return await _started(OpenAIChat(url, llm_model or models[0], options=options, list_models=tags))
    url, key = base_url_of(address), env.get("OPENAI_API_KEY") or None
    if key is None or may_have_key(url, env):
        return await _started(OpenAIChat(url, llm_model or "", key, options=options))
    try:
        return await _started(OpenAIChat(url, llm_model or "", options=options, note=_kept_back(url)))
    except EngineUnavailable as error:
        raise EngineUnavailable(f"{error.message} ({_kept_back(url)})") from error


def may_have_key(url: str, env: Mapping[str, str]) -> bool:
    """Whether ``OPENAI_API_KEY`` may be sent to this API root."""
    if urlsplit(url).scheme == "https" or is_own_machine(url):
        return True
    meant_for = env.get("OPENAI_BASE_URL")
    return bool(meant_for) and base_url_of(meant_for or "") == url


def _kept_back(url: str) -> str:
    host = urlsplit(url).hostname
    return (
        f"OPENAI_API_KEY was not sent to {host}, since plain http would show it to everybody on the way: "
        "use https, or say that the key is for that server by naming it with OPENAI_BASE_URL"
    )


def base_url_of(address: str) -> str:
    """The API's root for what a person types: "localhost:8000" is "http://localhost:8000/v1".

    A path other than "/" is kept as it is. Raises ConfigError.
    """
    written = address.strip()
    if "://" not in written:
        written = f"http://{'127.0.0.1' if written.startswith(':') else ''}{written}"
    try:
        parts = urlsplit(written)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        has_host = False
    if not has_host or parts.scheme not in {"http", "https"} or any(c.isspace() for c in written):
        raise ConfigError(f"--llm {address!r} is no address: give one such as http://127.0.0.1:8000/v1")
    path = parts.path.rstrip("/").removesuffix("/chat/completions") or "/v1"
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


async def _started(chat: OpenAIChat) -> OpenAIChat:
    is_up = False
    try:
        await chat.start()
        is_up = True
    finally:
        if not is_up:
            with anyio.CancelScope(shield=True):
                await chat.aclose()
    return chat


async def _ollama_models(ollama_url: str) -> list[str]:
    """The chat models that an Ollama lists; empty where none runs."""
    async with httpx2.AsyncClient(timeout=PROBE_TIMEOUT_S, trust_env=False) as client:
        with anyio.move_on_after(PROBE_TIMEOUT_S):
            try:
                response = await client.get(f"{ollama_url}/api/tags")
                tags = msgspec.json.decode(response.content, type=_Tags)
            except (httpx2.HTTPError, msgspec.MsgspecError):
                return []
            return [tag.name for tag in tags.models or [] if _can_chat(tag)]
    return []


def _can_chat(tag: _Tag) -> bool:
    if tag.capabilities is not None:
        return "completion" in tag.capabilities
    family = (tag.details.family if tag.details else None) or ""
    return "bert" not in family and can_chat(tag.name)

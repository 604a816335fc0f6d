"""One tree of settings: defaults < ``duologue.toml`` < ``DUOLOGUE_*`` < flags. An unknown key is an error."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from duologue.errors import ConfigError

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8710
CONFIG_FILE = "duologue.toml"
ENV_PREFIX = "DUOLOGUE_"
# Read by the clients (`duologue talk`, `duologue bench`) and the tests, not settings of the server.
OTHER_VARIABLES = {"DUOLOGUE_API_KEY", "DUOLOGUE_SDK_PYTHON"}

DEFAULT_INSTRUCTIONS = (
    "You are a friendly voice assistant. Your words are spoken aloud: answer in one to three short sentences of "
    "plain speech, without lists, markup or emoji. What the user says was transcribed and may contain mistakes."
)


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        toml_file=CONFIG_FILE,
        extra="forbid",
        frozen=True,
        nested_model_default_partial_update=True,
    )

    host: str = Field(DEFAULT_HOST, description="Address to listen on.")
    port: int = Field(DEFAULT_PORT, ge=0, le=65_535, description="Port to listen on; 0 for any free one.")
    profile: str = Field("embedded", description="Which engines to use: the name of a profile.")
    max_sessions: int = Field(32, ge=1, le=10_000, description="Conversations at once; one more is refused.")
    max_message_mib: float = Field(
        22.0,
        gt=0,
        le=64,
        description="Largest message taken from a client, in MiB; the protocol allows 15 MiB of sound.",
    )
    llm: str | None = Field(None, description="URL of an OpenAI-compatible chat server.")
    llm_model: str | None = Field(None, description="Name of the model there.")
    instructions: str = Field(
        DEFAULT_INSTRUCTIONS, description="The assistant's instructions, unless a client sets its own."
    )
    allowed_origins: tuple[str, ...] = Field(
        (), description="Origins of web pages that may connect, besides the server's own page."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What to log.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)


def load_settings(flags: Mapping[str, Any]) -> Settings:
    """The settings for this run; ``flags`` that are None were not given. Raises ConfigError, in plain words."""
    unknown = [
        name for name in os.environ
        if name.startswith(ENV_PREFIX)
        and name not in OTHER_VARIABLES
        and name[len(ENV_PREFIX) :].lower() not in Settings.model_fields
    ]  # fmt: skip
    if unknown:
        raise ConfigError(f"Unknown environment variable {unknown[0]}. {_known()}")
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{CONFIG_FILE} is not valid TOML: {error}.") from None


def _known() -> str:
    return f"Known settings: {', '.join(Settings.model_fields)}."


def _explain(error: ValidationError) -> str:
    problem = error.errors()[0]
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"Unknown setting '{name}' in {CONFIG_FILE}. {_known()}"
    return f"Setting '{name}': {problem['msg']} (got {problem['input']!r})."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileEngines(_Part):
    """Names of engines, by stage, as the registry knows them."""

    vad: str
    turn: str
    asr: str
    chat: str
    tts: str


class ProfileTurns(_Part):
    """How turns are taken. ``silence_ms``: a plain rule in place of endpointing."""

    speculates: bool = True
    silence_ms: int | None = None


class Profile(_Part):
    """A set of engines that work together."""

    description: str
    engines: ProfileEngines
    turns: ProfileTurns = ProfileTurns()


def profile_names() -> list[str]:
    return sorted(Path(str(f)).stem for f in resources.files("duologue.profiles").iterdir() if str(f).endswith(".toml"))


def load_profile(name: str) -> Profile:
    """Raises ConfigError for a name that is not a profile."""
    if name not in profile_names():
        raise ConfigError(f"There is no profile '{name}'. Profiles: {', '.join(profile_names())}.")
    text = (resources.files("duologue.profiles") / f"{name}.toml").read_text(encoding="utf-8")
    return Profile.model_validate(tomllib.loads(text))

"""One tree of settings: defaults < profile < ``duologue.toml`` < ``DUOLOGUE_*`` < flags. An unknown key is an error.

A profile is a file that chooses an engine for each stage and sets what these engines need; all of it can be set
otherwise, each stage and each option alone.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    SerializeAsAny,
    ValidationError,
)
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from duologue.errors import ConfigError
from duologue.options import (
    ChatOptions,
    EspeakOptions,
    KokoroOptions,
    LlamaServerOptions,
    Options,
    RealtimeTranscriberOptions,
    SpeechServerOptions,
    TranscriptionServerOptions,
    VoxtralOptions,
    VoxtralServerOptions,
    WhisperOptions,
)

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8710
CONFIG_FILE = "duologue.toml"
ENV_PREFIX = "DUOLOGUE_"
# DUOLOGUE_WHISPER__MODEL is ``model`` of the table ``whisper``.
NESTED = "__"
# Read by the tests, not settings of the server. (DUOLOGUE_API_KEY is both a setting and what `talk` and `bench` show.)
OTHER_VARIABLES = {"DUOLOGUE_SDK_PYTHON"}

DEFAULT_INSTRUCTIONS = (
    "You are a friendly and helpful assistant. Answer what is asked, and say so when you do not know."
)


def _by_commas(given: object) -> object:
    if not isinstance(given, str):
        return given
    return json.loads(given) if given.startswith("[") else tuple(w.strip() for w in given.split(",") if w.strip())


# A list in duologue.toml; in the environment words by commas, or JSON.
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_by_commas)]
File = Annotated[Path, AfterValidator(Path.expanduser)]


class Settings(BaseSettings):
    """Everything that an operator can set."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_nested_delimiter=NESTED,
        toml_file=CONFIG_FILE,
        extra="forbid",
        frozen=True,
        protected_namespaces=(),
    )

    host: str = Field(DEFAULT_HOST, description="Address to listen on.")
    port: int = Field(DEFAULT_PORT, ge=0, le=65_535, description="Port to listen on; 0 for any free one.")
    profile: str = Field("embedded", description="Which engines to use: the name of a profile.")
    vad: str | None = Field(None, description="Engine for voice activity, in place of the profile's.")
    turn: str | None = Field(None, description="Engine for the end of a turn, in place of the profile's.")
    asr: str | None = Field(None, description="Engine for speech to text; several, by commas, in order of preference.")
    speech: str | None = Field(None, description="Engine that hears and answers; `none` does without.")
    chat: str | None = Field(None, description="Engine for answers; `speech` leaves them to the one that hears.")
    tts: str | None = Field(None, description="Engine for text to speech; several, by commas, in order of preference.")
    max_sessions: int = Field(
        256, ge=1, le=10_000, description="Conversations at once, however many the machine may bear; one more waits."
    )
    max_sessions_per_key: int = Field(
        0, ge=0, le=10_000, description="Of these, on one key, with the client secrets made by it; 0 for no limit."
    )
    max_sessions_per_address: int = Field(
        0, ge=0, le=10_000, description="Of these, from one address, or one IPv6 network; 0 for no limit."
    )
    admission_target_ms: float = Field(
        400.0,
        ge=0,
        le=60_000,
        description="A conversation is admitted while the slowest tenth of turns is thought to be answered within so "
        "many milliseconds of their end; 0 admits up to max_sessions.",
    )
    max_waiting: int = Field(
        32, ge=0, le=10_000, description="Clients that wait in the line for a place; one more is refused."
    )
    max_session_s: float = Field(
        3600.0, gt=0, le=86_400, description="Longest conversation in seconds; then it ends with session_expired."
    )
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
    api_key: SecretStr | None = Field(
        None, description="Key that clients must show; several by commas. Without one anybody on this machine may talk."
    )
    api_key_file: File | None = Field(None, description="File of such keys, one a line; # begins a comment.")
    allow_no_key: bool = Field(
        False, description="Listen beyond this machine without a key, where the network itself is guarded."
    )
    allowed_origins: Words = Field(
        (), description="Origins of web pages that may connect, besides the server's own page; `*` for every page."
    )
    allowed_hosts: Words = Field(
        (),
        description="Names by which a server without a key may be called, besides localhost and its own; `*` for any.",
    )
    trust_forwarded_for: Words = Field(
        (), description="Addresses or networks of reverse proxies whose X-Forwarded-For is believed."
    )
    tls_cert: File | None = Field(None, description="Certificate (PEM, with its chain) to serve https with.")
    tls_key: File | None = Field(None, description="Its private key, unless the certificate's file has it too.")
    tls_self_signed: bool = Field(False, description="Serve https with a certificate of the server's own making.")
    allow_url_fetch: bool = Field(
        False, description="Transcribe sound from https URLs that clients name; never from addresses of the house."
    )
    max_upload_mib: float = Field(100.0, gt=0, le=4096, description="Largest sound file taken for transcription.")
    mcp: Literal["auto", "any", "public", "none"] = Field(
        "auto",
        description="Which MCP servers a session may name: `any`; `public`, on https and the open internet; `none`. "
        "`auto`: any where Duologue listens on this machine alone, else public.",
    )
    tool_timeout_s: float = Field(60.0, gt=0, le=600, description="Longest call of an MCP server's tool in seconds.")
    max_tool_steps: int = Field(
        5, ge=1, le=100, description="How often the chat model may call tools in one turn before it has to answer."
    )
    tool_filler: str = Field(
        "", description="What is said while a slow tool works, such as `One moment, please.`; empty for nothing."
    )
    tool_filler_after_s: float = Field(1.0, ge=0, le=60, description="How long a tool may take before that is said.")
    ice_servers: Words = Field(
        (),
        description="STUN or TURN servers for WebRTC beyond the local network, as stun:HOST:PORT or "
        "turn:USER:PASSWORD@HOST:PORT.",
    )
    metrics_open: bool = Field(
        False, description="Show /metrics to everyone; else it wants a key where there is one, as all under /v1/."
    )
    otlp_endpoint: str | None = Field(
        None, description="URL of an OpenTelemetry collector (OTLP over HTTP) that gets a trace of each turn."
    )
    store: Literal["auto", "on", "off"] = Field(
        "auto",
        description="Keep conversations. `auto`: only of this machine's own user, where nobody else is let in.",
    )
    store_file: File | None = Field(
        None, description="The database that they are kept in; by default in the user's data folder."
    )
    store_days: float = Field(
        30.0, ge=0, le=36_500, description="How long a conversation is kept after it was last talked in; 0 for ever."
    )
    store_sound: bool = Field(False, description="Keep what was said as sound, too. Otherwise only words are kept.")
    context_tokens: int = Field(
        3_200,
        ge=256,
        le=1_000_000,
        description="How much of a conversation the chat model is told, in tokens as far as they can be estimated; "
        "older turns are left out.",
    )
    personas: File | None = Field(
        None, description="Folder of personas (TOML files) that clients may choose, besides those that come along."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="What to log.")
    whisper: WhisperOptions = WhisperOptions()
    espeak: EspeakOptions = EspeakOptions()
    kokoro: KokoroOptions = KokoroOptions()
    voxtral: VoxtralOptions = VoxtralOptions()
    voxtral_server: VoxtralServerOptions = VoxtralServerOptions()
    realtime_transcriber: RealtimeTranscriberOptions = RealtimeTranscriberOptions()
    transcription_server: TranscriptionServerOptions = TranscriptionServerOptions()
    speech_server: SpeechServerOptions = SpeechServerOptions()
    llama_server: LlamaServerOptions = LlamaServerOptions()
    chat_model: ChatOptions = ChatOptions()

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
        and name[len(ENV_PREFIX) :].lower().split(NESTED)[0] not in Settings.model_fields
    ]  # fmt: skip
    if unknown:
        raise ConfigError(f"Unknown environment variable {unknown[0]}. {_known()}")
    try:
        return Settings(**{key: value for key, value in flags.items() if value is not None})
    except ValidationError as error:
        raise ConfigError(_explain(error)) from None
    except SettingsError as error:
        raise ConfigError(f"{error}: write a list or a table as JSON.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{CONFIG_FILE} is not valid TOML: {error}.") from None


def read_options(given: Sequence[str]) -> dict[str, dict[str, str]]:
    """``table.option=value``, as often as wanted, as nested settings. Raises ConfigError for what is not so."""
    tables: dict[str, dict[str, str]] = {}
    for option in given:
        key, equals, value = option.partition("=")
        table, dot, name = key.partition(".")
        if not (equals and dot and name) or table not in table_names():
            raise ConfigError(
                f"--set {option}: write table.option=value, as in whisper.model=whisper-small. "
                f"Tables: {', '.join(table_names())}."
            )
        tables.setdefault(table, {})[name] = value
    return tables


def _known() -> str:
    return f"Known settings: {', '.join(Settings.model_fields)}."


def _explain(error: ValidationError) -> str:
    problem = error.errors()[0]
    name = ".".join(map(str, problem["loc"]))
    if problem["type"] == "value_error":
        return f"{f'[{name}] ' if name else ''}{problem['ctx']['error']}"
    if problem["type"] == "extra_forbidden":
        table, _, option = name.partition(".")
        if option and table in table_names():
            known = ", ".join(type(Settings.model_fields[table].default).model_fields)
            return f"Unknown setting '{name}'. {table} has: {known}."
        return f"Unknown setting '{name}' in {CONFIG_FILE}. {_known()}"
    if name == "api_key":
        return "Setting 'api_key': expected a string, in quotes."
    return f"Setting '{name}': {problem['msg']} (got {problem['input']!r})."


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ProfileEngines(_Part):
    """Names of engines, by stage, as the registry knows them.

    ``speech``: a model that hears and answers; ``asr`` and ``chat`` may then be "speech" too. Several names, by
    commas, are tried in that order.
    """

    vad: str
    turn: str
    asr: str
    chat: str
    tts: str
    speech: str | None = None

    @property
    def hears(self) -> bool:
        """Whether the model that answers is given the turn as sound."""
        return self.chat.split(",")[0].strip() == "speech"


class ProfileTurns(_Part):
    """How turns are taken. ``silence_ms``: a plain rule in place of endpointing."""

    speculates: bool = True
    silence_ms: int | None = None


class Profile(BaseModel):
    """A set of engines that work together. Other tables set options, as in ``duologue.toml``."""

    model_config = ConfigDict(extra="allow", frozen=True)

    description: str
    engines: ProfileEngines
    turns: ProfileTurns = ProfileTurns()


class Setup(_Part):
    """What a run uses: the profile with the settings laid over it. ``tables``: options by table name."""

    profile: str
    description: str
    engines: ProfileEngines
    turns: ProfileTurns
    tables: dict[str, SerializeAsAny[Options]]
    llm: str | None = None
    llm_model: str | None = None


def profile_names() -> list[str]:
    return sorted(Path(str(f)).stem for f in resources.files("duologue.profiles").iterdir() if str(f).endswith(".toml"))


def load_profile(name: str) -> Profile:
    """Raises ConfigError for a name that is not a profile."""
    if name not in profile_names():
        raise ConfigError(f"There is no profile '{name}'. Profiles: {', '.join(profile_names())}.")
    text = (resources.files("duologue.profiles") / f"{name}.toml").read_text(encoding="utf-8")
    return Profile.model_validate(tomllib.loads(text))


def setup_of(settings: Settings) -> Setup:
    """Raises ConfigError for a profile that does not exist, and for choices that exclude each other."""
    profile = load_profile(settings.profile)
    chosen = {stage: name for stage in ProfileEngines.model_fields if (name := getattr(settings, stage)) is not None}
    engines = ProfileEngines.model_validate(profile.engines.model_dump() | _implied(chosen, profile) | chosen)
    if engines.speech in {"none", ""}:
        engines = engines.model_copy(update={"speech": None})
    _refuse_contradictions(engines)
    return Setup(
        profile=settings.profile,
        description=profile.description,
        engines=engines,
        turns=profile.turns,
        tables={name: _table(name, settings, profile) for name in table_names()},
        llm=settings.llm,
        llm_model=settings.llm_model,
    )


def _implied(chosen: dict[str, str], profile: Profile) -> dict[str, str]:
    """What a model that hears, or none, makes of the stages that it takes part in, unless they are chosen too."""
    if "speech" not in chosen:
        return {}
    if chosen["speech"] not in {"none", ""}:
        return {"chat": "speech"}
    without = load_profile("embedded").engines
    return {stage: getattr(without, stage) for stage in ("asr", "chat") if "speech" in getattr(profile.engines, stage)}


def table_names() -> list[str]:
    """The tables of engine options."""
    return [name for name, field in Settings.model_fields.items() if isinstance(field.default, Options)]


def _table(name: str, settings: Settings, profile: Profile) -> Options:
    """The profile's table under what was set explicitly."""
    explicit: Options = getattr(settings, name)
    ours = (profile.model_extra or {}).get(name, {})
    try:
        return type(explicit).model_validate(ours | explicit.model_dump(exclude_unset=True))
    except ValidationError as error:
        raise ConfigError(f"[{name}] {_explain(error)}") from None


def _refuse_contradictions(engines: ProfileEngines) -> None:
    for stage in ("asr", "chat"):
        names = [name.strip() for name in getattr(engines, stage).split(",")]
        if "speech" in names and engines.speech is None:
            raise ConfigError(
                f"{stage} is 'speech', but there is no model that hears: set --speech voxtral, or another {stage}."
            )
    if engines.speech is not None and not engines.hears and "speech" not in engines.asr:
        raise ConfigError(
            f"speech is '{engines.speech}', but neither asr nor chat uses it: set --chat speech, or --speech none."
        )

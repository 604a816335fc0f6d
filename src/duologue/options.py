"""What can be set of each engine family: one table each, in ``duologue.toml``, a profile, or the environment.

An engine is made with its table and nothing else. ``model`` is a short name or repository of the catalogue
(``duologue models``), any Hugging Face repository as ``org/name@revision``, or a folder on this machine.
"""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Device = Literal["auto", "cpu", "cuda"]


class Options(BaseModel):
    """Base of the tables: unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class WhisperOptions(Options):
    """faster-whisper (CTranslate2)."""

    model: str = Field("whisper-base.en", description="Which Whisper.")
    device: Device = Field("auto", description="Where it runs: auto takes the GPU where there is one.")
    compute_type: Literal["auto", "int8", "int8_float16", "float16", "bfloat16", "float32"] = Field(
        "auto", description="Arithmetic: auto is float16 on a GPU and int8 on a CPU."
    )
    beam_size: int = Field(1, ge=1, le=10, description="Hypotheses kept: 1 is the quickest.")
    batch: int = Field(8, ge=1, le=64, description="Turns of several sessions transcribed in one step.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.device == "cpu" and self.compute_type in {"float16", "int8_float16", "bfloat16"}:
            raise ValueError(f"compute_type {self.compute_type} needs a GPU, but device is cpu: use int8 or float32.")
        return self


class EspeakOptions(Options):
    """The espeak-ng voice."""

    processes: int = Field(0, ge=0, le=64, description="Phrases at once; 0 for one a core, four at most.")


class KokoroOptions(Options):
    """The Kokoro voice."""

    model: str = Field("", description="Which Kokoro; empty takes kokoro on a GPU and kokoro-onnx on a CPU.")
    backend: Literal["auto", "torch", "onnx"] = Field("auto", description="auto is torch on a GPU, onnx on a CPU.")
    device: Device = Field("auto", description="Where it runs.")
    voice: str = Field("af_heart", description="The default voice: a name, or a blend: af_heart:0.6+bf_emma:0.4.")
    batch: int = Field(8, ge=1, le=32, description="Phrases of several sessions spoken in one step (torch).")
    cuda_graphs: Literal["auto", "on", "off"] = Field("auto", description="Replay recorded GPU work; auto on a GPU.")
    threads: int = Field(0, ge=0, le=64, description="CPU threads of one step; 0 for half of the cores, two at least.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.cuda_graphs == "on" and (self.device == "cpu" or self.backend == "onnx"):
            raise ValueError("cuda_graphs is on, but they exist on a GPU with the torch backend only: use auto or off.")
        if self.backend == "onnx" and self.device == "cuda":
            raise ValueError("backend onnx runs on the CPU, but device is cuda: use backend torch, or device cpu.")
        return self


class VoxtralOptions(Options):
    """Voxtral in this process."""

    model: str = Field("voxtral-mini", description="Which Voxtral.")
    device: Device = Field("auto", description="Where it runs.")
    dtype: Literal["auto", "bfloat16", "float32"] = Field(
        "auto", description="Arithmetic: auto is bfloat16 on a GPU and float32 on a CPU."
    )
    attention: Literal["grouped", "sdpa"] = Field(
        "grouped", description="grouped does not expand the shared key-value heads; sdpa is torch's own, expanded."
    )
    cuda_graphs: Literal["auto", "on", "off"] = Field("auto", description="Replay recorded GPU work; auto on a GPU.")
    conversations: int = Field(16, ge=1, le=256, description="Conversations whose context stays on the device.")
    context_tokens: int = Field(4096, ge=1024, le=32_768, description="Longest context of one conversation.")
    transcript: bool = Field(True, description="Transcribe what was said beside the answer.")
    temperature: float = Field(0.0, ge=0.0, le=2.0, description="0 always takes the likeliest word.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.device == "cpu" and self.cuda_graphs == "on":
            raise ValueError("cuda_graphs is on, but device is cpu: they exist on a GPU only. Use auto or off.")
        return self


class ServerOptions(Options):
    """An engine behind an address."""

    url: str


class VoxtralServerOptions(ServerOptions):
    """Voxtral on a vLLM server."""

    url: str = Field("http://127.0.0.1:8000/v1", description="The server's API root.")
    model: str = Field("mistralai/Voxtral-Mini-3B-2507", description="Its name there.")
    audio_turns: int = Field(1, ge=1, le=5, description="Turns sent as sound; older ones go as text.")
    transcript: bool = Field(True, description="Transcribe what was said, after the first clause of the answer.")


class RealtimeTranscriberOptions(ServerOptions):
    """Voxtral Realtime on a vLLM server: speech to text while somebody speaks."""

    url: str = Field("http://127.0.0.1:8001/v1", description="The server's API root.")
    model: str = Field("mistralai/Voxtral-Mini-4B-Realtime-2602", description="Its name there.")


class TranscriptionServerOptions(ServerOptions):
    """Any server with ``/v1/audio/transcriptions``."""

    url: str = Field("http://127.0.0.1:8000/v1", description="The server's API root.")
    model: str = Field("whisper-1", description="Its name there.")


class SpeechServerOptions(ServerOptions):
    """Any server with ``/v1/audio/speech``."""

    url: str = Field("http://127.0.0.1:8880/v1", description="The server's API root.")
    model: str = Field("kokoro", description="Its name there.")
    voice: str = Field("af_heart", description="The default voice.")


class LlamaServerOptions(Options):
    """A llama.cpp server that Duologue starts and stops."""

    model: str = Field("qwen2.5-1.5b", description="Which GGUF chat model; a file is fine, too.")
    binary: str = Field("llama-server", description="The program: a name on the PATH, or a path.")
    context_tokens: int = Field(4096, ge=512, description="Context of one conversation.")
    parallel: int = Field(4, ge=1, le=64, description="Answers at once.")
    threads: int = Field(0, ge=0, le=256, description="CPU threads; 0 leaves it to the program.")
    gpu_layers: int = Field(-1, ge=-1, description="Layers on the GPU; -1 for all where there is one.")


class ChatOptions(Options):
    """How any chat model is asked."""

    temperature: float | None = Field(None, ge=0.0, le=2.0, description="None leaves it to the server.")
    choice: bool = Field(True, description="Sessions may choose any chat model that the server lists.")
    vision: bool = Field(False, description="The model takes images, too.")
    retries: int = Field(1, ge=0, le=5, description="New tries before the first word; never after it.")
    first_token_timeout_s: float = Field(20.0, gt=0, description="How long the first word may take.")

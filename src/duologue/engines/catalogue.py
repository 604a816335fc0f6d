"""The models that Duologue knows by a short name: where they come from, what they cost, what their licence is.

Commits and sizes were read in public projects that pin the same files; two at least agree on every commit. Where no
project pins one, the revision is a branch: ``duologue pull`` takes the commit that it points to that day, says which,
and the cache remembers it.
"""

from __future__ import annotations

import difflib
import re

import msgspec

from duologue.errors import ConfigError

_COMMIT = re.compile(r"[0-9a-f]{40}")
# The hub's own rule for names; a revision is a branch, a tag or a commit.
_REPOSITORY = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95})(@(?P<revision>[\w./-]{1,100}))?")


class Model(msgspec.Struct, frozen=True):
    """One model of the catalogue.

    ``repo`` and ``revision`` (a commit): where on the hub; ``files``: patterns of what is fetched of it;
    ``size_mb``: their sizes together; ``is_gated``: the hub wants a token of somebody who accepted its terms.
    """

    name: str
    repo: str
    revision: str
    files: tuple[str, ...]
    size_mb: int
    licence: str
    what: str
    is_gated: bool = False


def _whisper(size: str, commit: str, size_mb: int, what: str, *, family: str = "whisper", old: bool = True) -> Model:
    """A Whisper that SYSTRAN has converted to CTranslate2. ``old``: of before large-v3, with the older file names."""
    beside = ("vocabulary.txt",) if old else ("vocabulary.json", "preprocessor_config.json")
    files = ("model.bin", "tokenizer.json", *beside, "config.json")
    name = f"{'distil' if family.startswith('distil') else 'whisper'}-{size}"
    return Model(name, f"Systran/faster-{family}-{size}", commit, files, size_mb, "MIT", what)


_ENGLISH = "speech to text, English"
_MANY = "speech to text, 99 languages"
_VOXTRAL = ("model.safetensors.index.json", "tekken.json", "preprocessor_config.json", "params.json", "config.json")
_REALTIME = ("consolidated.safetensors", "tekken.json", "params.json", "processor_config.json", "config.json")
_VOXTRAL_GGUF = ("Voxtral-Mini-3B-2507-Q4_K_M.gguf", "mmproj-Voxtral-Mini-3B-2507-Q8_0.gguf")
_KOKORO_ONNX = ("onnx/model.onnx", "voices/*.bin", "tokenizer.json", "config.json")

CATALOGUE: tuple[Model, ...] = (
    Model(
        "voxtral-mini",
        "mistralai/Voxtral-Mini-3B-2507",
        "3060fe34b35ba5d44202ce9ff3c097642914f8f3",
        ("model-0000?-of-00002.safetensors", "generation_config.json", *_VOXTRAL),
        9_366,
        "Apache-2.0",
        "hears and answers, 4.7 B parameters, bfloat16",
    ),
    Model(
        "voxtral-small",
        "mistralai/Voxtral-Small-24B-2507",
        "da5b42409f279fdd92febee0511a6c32828569c1",
        ("model-000??-of-00011.safetensors", "generation_config.json", *_VOXTRAL),
        48_543,
        "Apache-2.0",
        "hears and answers, 24 B parameters, bfloat16",
    ),
    Model(
        "voxtral-mini-gguf",
        "ggml-org/Voxtral-Mini-3B-2507-GGUF",
        "main",
        _VOXTRAL_GGUF,
        3_189,
        "Apache-2.0",
        "hears and answers, 4 bit, for llama.cpp",
    ),
    Model(
        "voxtral-realtime",
        "mistralai/Voxtral-Mini-4B-Realtime-2602",
        "2769294da9567371363522aac9bbcfdd19447add",
        _REALTIME,
        8_875,
        "Apache-2.0",
        "speech to text while you speak, for a vLLM server",
    ),
    _whisper("tiny", "d90ca5fe260221311c53c58e660288d3deb8d356", 78, _MANY),
    _whisper("tiny.en", "0d3d19a32d3338f10357c0889762bd8d64bbdeba", 78, _ENGLISH),
    _whisper("base", "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66", 148, _MANY),
    _whisper("base.en", "3d3d5dee26484f91867d81cb899cfcf72b96be6c", 148, _ENGLISH),
    _whisper("small", "536b0662742c02347bc0e980a01041f333bce120", 486, _MANY),
    _whisper("small.en", "d1d751a5f8271d482d14ca55d9e2deeebbae577f", 486, _ENGLISH),
    _whisper("medium", "08e178d48790749d25932bbc082711ddcfdfbc4f", 1_531, _MANY),
    _whisper("medium.en", "a29b04bd15381511a9af671baec01072039215e3", 1_530, _ENGLISH),
    _whisper("large-v3", "edaa852ec7e145841d8ffdb056a99866b5f0a478", 3_091, _MANY, old=False),
    Model(
        "whisper-turbo",
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        ("model.bin", "tokenizer.json", "vocabulary.json", "preprocessor_config.json", "config.json"),
        1_622,
        "MIT",
        f"{_MANY}, quick",
    ),
    _whisper("small.en", "ef77d90526ccd62cde3808ee70626a01e5cf83e4", 336, _ENGLISH, family="distil-whisper", old=False),
    _whisper(
        "medium.en", "80ddfce281f77766d8943d63109199fc8145dfa5", 792, _ENGLISH, family="distil-whisper", old=False
    ),
    _whisper(
        "large-v3", "c3058b475261292e64a0412df1d2681c06260fab", 1_516, _ENGLISH, family="distil-whisper", old=False
    ),
    # The voice's own repository holds pickles. This copy is safetensors, float32 in spite of its name.
    Model(
        "kokoro",
        "mlx-community/Kokoro-82M-bf16",
        "a71e4d38b236d968966a2002c4c895dbd12b1c3c",
        ("kokoro-v1_0.safetensors", "voices/*.safetensors", "config.json"),
        355,
        "Apache-2.0",
        "voice, 54 speakers, for a GPU (torch)",
    ),
    Model(
        "kokoro-onnx",
        "onnx-community/Kokoro-82M-v1.0-ONNX-timestamped",
        "dd4401a9add81ac692d20e240d22ec9dda82cc29",
        _KOKORO_ONNX,
        354,
        "Apache-2.0",
        "voice, for a CPU (onnxruntime)",
    ),
    Model(
        "qwen2.5-0.5b",
        "Qwen/Qwen2.5-0.5B-Instruct-GGUF",
        "9217f5db79a29953eb74d5343926648285ec7e67",
        ("qwen2.5-0.5b-instruct-q4_k_m.gguf",),
        491,
        "Apache-2.0",
        "chat, 4 bit, for llama.cpp",
    ),
    Model(
        "qwen2.5-1.5b",
        "Qwen/Qwen2.5-1.5B-Instruct-GGUF",
        "91cad51170dc346986eccefdc2dd33a9da36ead9",
        ("qwen2.5-1.5b-instruct-q4_k_m.gguf",),
        1_117,
        "Apache-2.0",
        "chat, 4 bit, for llama.cpp",
    ),
    Model(
        "gemma-3-1b",
        "google/gemma-3-1b-it-qat-q4_0-gguf",
        "d1be121d36172a4b0b964657e2ee859d61138593",
        ("gemma-3-1b-it-q4_0.gguf",),
        1_004,
        "Gemma",
        "chat, 4 bit, for llama.cpp",
        is_gated=True,
    ),
)

_BY_NAME = {model.name: model for model in CATALOGUE}
_BY_REPO = {model.repo.casefold(): model for model in CATALOGUE}


def find(name: str) -> Model:
    """The model of a short name, or of any repository: ``org/name``, ``org/name@revision``.

    A repository of the catalogue keeps what is known of it; of others only the place is known, and ``files`` is
    empty. Raises ConfigError, with near names, for anything else.
    """
    if (model := _BY_NAME.get(name.casefold())) is not None:
        return model
    match = _REPOSITORY.fullmatch(name)
    if match is None or ".." in name or "--" in match["repo"]:
        raise ConfigError(f"There is no model {name[:100]!r}.{_near(name)} See: duologue models")
    revision = match["revision"]
    known = _BY_REPO.get(match["repo"].casefold())
    if known is not None:
        return known if revision in {None, known.revision} else at_revision(known, revision)
    return Model(name, match["repo"], revision or "main", (), 0, "", "")


def at_revision(model: Model, revision: str) -> Model:
    """The same model as it was, or is, at another revision; its name says so. Raises ConfigError for an odd one."""
    name = f"{model.repo}@{revision}"
    if ".." in revision or _REPOSITORY.fullmatch(name) is None:
        raise ConfigError(f"{revision[:100]!r} is not a revision: give a commit, a branch or a tag.")
    return msgspec.structs.replace(model, name=name, revision=revision)


def is_pinned(model: Model) -> bool:
    """Whether ``revision`` is a commit, so that the files never change."""
    return _COMMIT.fullmatch(model.revision) is not None


def _near(name: str) -> str:
    known = [*_BY_NAME, *(model.repo for model in CATALOGUE)]
    near = difflib.get_close_matches(name[:100], known, n=3, cutoff=0.6)
    return f" Near: {', '.join(near)}." if near else ""

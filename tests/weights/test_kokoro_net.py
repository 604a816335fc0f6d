"""Kokoro's network on random weights: loading, equality with the kokoro package, batches, buckets, ONNX."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from duologue.audio.frame import Float32
from duologue.engines.tts.kokoro_net import FRAME_SAMPLES, Spoken, Utterance, load_net, net_folder
from duologue.engines.tts.kokoro_onnx import guessed_frames, whole_frames
from duologue.errors import ConfigError, EngineError, EngineUnavailable
from duologue.options import KokoroOptions

torch = pytest.importorskip("torch", reason='needs torch: pip install "duologue[gpu]"')
pytest.importorskip("safetensors", reason='needs safetensors: pip install "duologue[gpu]"')

from duologue.bench.engines.random_kokoro import CONFIGS, VOCAB, VOICES, published, write_kokoro  # noqa: E402
from duologue.engines.tts.kokoro_decoder import Transform  # noqa: E402
from duologue.engines.tts.kokoro_graphs import Shapes, _Recorded  # noqa: E402
from duologue.engines.tts.kokoro_network import Network  # noqa: E402
from duologue.engines.tts.kokoro_torch import TorchNet, utterance_noise  # noqa: E402

OPTIONS = KokoroOptions(threads=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kokoro")
    write_kokoro(folder, "tiny")
    return folder


@pytest.fixture(scope="module")
def voice(folder: Path) -> Float32:
    """The styles of one voice, [510, 256]."""
    from safetensors.numpy import load_file

    styles: Float32 = load_file(folder / "voices" / f"{VOICES[0]}.safetensors")["voice"][:, 0]
    return styles


@pytest.fixture(scope="module")
def utterances(voice: Float32) -> list[Utterance]:
    """Four phrases of 2 to 13 phonemes, at three speeds."""
    random = np.random.default_rng(1)

    def phrase(count: int, speed: float) -> Utterance:
        return Utterance(tuple(random.integers(1, 178, count).tolist()), voice[count - 1], speed)

    return [phrase(2, 1.0), phrase(7, 1.0), phrase(13, 1.3), phrase(4, 0.8)]


@pytest.fixture(scope="module")
def exact(folder: Path) -> TorchNet:
    return TorchNet(folder, OPTIONS, "cpu", dtype=torch.float64)


@pytest.fixture(scope="module")
def singles(exact: TorchNet, utterances: list[Utterance]) -> list[Spoken]:
    return [exact.speak([utterance])[0] for utterance in utterances]


def difference(first: Sequence[Spoken], second: Sequence[Spoken]) -> float:
    """The largest between any two samples, the last ones included."""
    assert [each.frames for each in first] == [each.frames for each in second]
    return max(float(np.abs(a.samples - b.samples).max()) for a, b in zip(first, second, strict=True))


# --- against the package ----------------------------------------------------------------------------------------


def test_a_single_phrase_is_the_package_s(folder: Path, utterances: list[Utterance], singles: list[Spoken]) -> None:
    pytest.importorskip("kokoro", reason="the reference is the package kokoro: pip install kokoro==0.9.4")
    from tests.weights.kokoro_reference import Reference

    reference = Reference(folder)
    for utterance, ours in zip(utterances, singles, strict=True):
        sound, frames = reference.speak(utterance, len(ours.samples))
        assert frames == ours.frames
        assert np.abs(sound.numpy() - ours.samples).max() < 1e-9


def test_the_transform_is_torch_s() -> None:
    sound = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3000))).float()
    window = torch.hann_window(20)
    theirs = torch.stft(sound, 20, 5, 20, window, return_complex=True)
    ours = Transform(20, 5)
    spectrum = ours.analyse(sound, None)
    magnitude, angle = spectrum[:, :11], spectrum[:, 11:]
    torch.testing.assert_close(torch.polar(magnitude, angle), theirs, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        ours.synthesise(magnitude, angle, None), torch.istft(theirs, 20, 5, 20, window), atol=1e-5, rtol=0
    )


# --- batches ----------------------------------------------------------------------------------------------------


def test_a_batch_is_its_phrases(exact: TorchNet, utterances: list[Utterance], singles: list[Spoken]) -> None:
    assert difference(exact.speak(utterances), singles) < 1e-9
    assert difference(exact.speak(utterances[::-1])[::-1], singles) < 1e-9


@pytest.mark.parametrize("shapes", [Shapes((4,), (80,)), Shapes((1, 6), (20, 40, 80))])
def test_buckets_change_nothing(
    folder: Path, utterances: list[Utterance], singles: list[Spoken], shapes: Shapes
) -> None:
    net = TorchNet(folder, OPTIONS, "cpu", shapes=shapes, dtype=torch.float64)
    assert difference(net.speak(utterances), singles) < 1e-9
    # Afterwards the padding holds the longer phrases' remains, if anything does.
    assert difference([net.speak([each])[0] for each in utterances], singles) < 1e-9


def test_a_phrase_longer_than_every_bucket_is_spoken(
    folder: Path, utterances: list[Utterance], singles: list[Spoken]
) -> None:
    net = TorchNet(folder, OPTIONS, "cpu", shapes=Shapes((1,), (20,)), dtype=torch.float64)
    assert difference(net.speak(utterances), singles) < 1e-9


class Device:
    """What of ``torch.cuda`` a recording asks for."""

    def __init__(self) -> None:
        self.recorded = 0

    def graph_pool_handle(self) -> str:
        return "pool"

    def current_stream(self) -> Device:
        return self

    def synchronize(self) -> None:
        pass

    def CUDAGraph(self) -> None:  # noqa: N802 (torch's name)
        pass

    @contextmanager
    def graph(self, _graph: None, pool: str, stream: Device, capture_error_mode: str) -> Iterator[None]:
        assert (pool, stream, capture_error_mode) == ("pool", self, "thread_local")
        yield
        self.recorded += 1


class Replay:
    """Does what was recorded again, from the same memory into the same."""

    def __init__(self, network: Network, recorded: _Recorded) -> None:
        self._network, self._recorded = network, recorded

    def replay(self) -> None:
        self._recorded.sound.copy_(self._network.sound(self._recorded.inputs))


def test_replays_change_nothing(
    folder: Path, utterances: list[Utterance], singles: list[Spoken], monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes, device = Shapes((1, 2, 4), (20, 40, 80)), Device()
    net = TorchNet(folder, OPTIONS, "cpu", shapes=shapes, dtype=torch.float64)
    assert net._sound is not None
    assert net._network is not None
    with monkeypatch.context() as only_here:
        only_here.setattr(torch, "cuda", device)
        net._sound.record()
    assert device.recorded == 9
    for size, recorded in net._sound._recorded.items():
        net._sound._recorded[size] = recorded._replace(graph=Replay(net._network, recorded))
    assert difference(net.speak(utterances), singles) < 1e-9
    assert difference(net.speak(utterances[1:]), singles[1:]) < 1e-9, "a row that is left over is not heard"
    assert difference([net.speak([each])[0] for each in utterances], singles) < 1e-9


def test_shapes_fit() -> None:
    shapes = Shapes.up_to(6)
    assert shapes.rows == (1, 2, 4, 6)
    assert shapes.fit(1, 1) == (1, 20)
    assert shapes.fit(3, 21) == (4, 40)
    assert shapes.fit(7, 20) is None
    assert shapes.fit(1, 321) is None
    assert Shapes.up_to(8).rows == (1, 2, 4, 8)
    assert max(rows * frames for rows, frames in Shapes.up_to(32).sizes()) == 640
    assert shapes.fit(4, 320) is None


# --- one phrase -------------------------------------------------------------------------------------------------


def test_frames_are_the_sound(singles: list[Spoken], utterances: list[Utterance]) -> None:
    for spoken, utterance in zip(singles, utterances, strict=True):
        assert len(spoken.frames) == len(utterance.tokens) + 2
        assert min(spoken.frames) >= 1
        assert sum(spoken.frames) * FRAME_SAMPLES == len(spoken.samples)


def test_the_same_phrase_sounds_the_same(folder: Path, utterances: list[Utterance]) -> None:
    first, second = (load_net(KokoroOptions(model=str(folder), threads=1)) for _ in range(2))
    assert first.device == "cpu"
    before = first.speak(utterances[1:2])[0].samples
    first.speak(utterances[2:3])
    np.testing.assert_array_equal(first.speak(utterances[1:2])[0].samples, before)
    np.testing.assert_array_equal(second.speak(utterances[1:2])[0].samples, before)
    assert before.dtype == np.float32
    assert 0.001 < np.abs(before).max() <= 1.0


def test_style_and_speed_are_heard(exact: TorchNet, utterances: list[Utterance], voice: Float32) -> None:
    phrase = utterances[1]
    plain, other = exact.speak([phrase, Utterance(phrase.tokens, voice[400], phrase.speed)])
    assert plain.frames != other.frames or np.abs(plain.samples - other.samples).max() > 1e-4
    slow = exact.speak([Utterance(phrase.tokens, phrase.style, 0.5)])[0]
    assert 1.7 < len(slow.samples) / len(plain.samples) < 2.3


def test_the_longest_phrase_fits(exact: TorchNet, voice: Float32) -> None:
    tokens = tuple(VOCAB[symbol] for symbol in "həlˈoʊ"[:5]) * 102
    spoken = exact.speak([Utterance(tokens, voice[509], 2.0)])[0]
    assert len(spoken.frames) == 512


def test_what_cannot_be_spoken_is_refused(exact: TorchNet, voice: Float32) -> None:
    with pytest.raises(EngineError, match="1 to 510"):
        exact.speak([Utterance((), voice[0])])
    with pytest.raises(EngineError, match="1 to 510"):
        exact.speak([Utterance((50,) * 511, voice[0])])
    with pytest.raises(EngineError, match="256"):
        exact.speak([Utterance((50,), voice[0][:128])])
    with pytest.raises(EngineError, match="speed"):
        exact.speak([Utterance((50,), voice[0], 0.0)])
    assert exact.speak([]) == []


def test_a_closed_net_says_so(folder: Path, utterances: list[Utterance]) -> None:
    net = TorchNet(folder, OPTIONS, "cpu")
    net.close()
    with pytest.raises(EngineError, match="closed"):
        net.speak(utterances[:1])


# --- the weights' file ------------------------------------------------------------------------------------------


def test_norms_with_a_scale_of_their_own_are_folded(folder: Path, tmp_path: Path, utterances: list[Utterance]) -> None:
    """Conversions made from the package's modules carry its affine instance norms."""
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "kokoro-v1_0.safetensors")
    stems = [name.removesuffix("fc.weight") for name in tensors if name.endswith("fc.weight") and "lstms" not in name]
    for stem in stems:
        channels = tensors[f"{stem}fc.weight"].shape[0] // 2
        tensors[f"{stem}norm.weight"] = torch.full((channels,), 2.0)
        tensors[f"{stem}norm.bias"] = torch.full((channels,), 0.5)
        # 2 (1 + g) and 0.5 (1 + g) + s with g, s as here are 1 + g and s with the former ones.
        gamma, beta = tensors[f"{stem}fc.weight"].chunk(2)
        gamma_bias, beta_bias = tensors[f"{stem}fc.bias"].chunk(2)
        tensors[f"{stem}fc.weight"] = torch.cat([gamma / 2, beta - gamma / 4])
        tensors[f"{stem}fc.bias"] = torch.cat([(1 + gamma_bias) / 2 - 1, beta_bias - (1 + gamma_bias) / 4])
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(tensors, tmp_path / "model.safetensors")
    nets = [TorchNet(each, OPTIONS, "cpu", dtype=torch.float64) for each in (folder, tmp_path)]
    first, second = (net.speak(utterances[:1])[0] for net in nets)
    assert first.frames == second.frames
    assert np.abs(first.samples - second.samples).mean() < 1e-5


def test_a_pickle_is_not_read(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "kokoro-v1_0.pth").write_bytes(b"\x80\x02.")
    with pytest.raises(EngineUnavailable, match="can run code"):
        TorchNet(tmp_path, OPTIONS, "cpu")


@pytest.mark.parametrize(
    ("name", "content", "what"),
    [
        ("config.json", b"{}", "does not describe"),
        ("config.json", None, "cannot be read"),
        ("kokoro-v1_0.safetensors", b"no", "cannot be read"),
        ("kokoro-v1_0.safetensors", None, "duologue pull kokoro"),
    ],
)
def test_a_broken_folder_says_what_to_do(
    folder: Path, tmp_path: Path, name: str, content: bytes | None, what: str
) -> None:
    for file in ("config.json", "kokoro-v1_0.safetensors"):
        (tmp_path / file).write_bytes((folder / file).read_bytes())
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EngineUnavailable, match=what):
        TorchNet(tmp_path, OPTIONS, "cpu")


def test_missing_tensors_are_named(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "kokoro-v1_0.safetensors")
    del tensors["bert_encoder.bias"]
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    save_file(tensors, tmp_path / "kokoro-v1_0.safetensors")
    with pytest.raises(EngineUnavailable, match=r"bert_encoder\.bias"):
        TorchNet(tmp_path, OPTIONS, "cpu")


def test_the_full_size_is_the_published_one() -> None:
    """548 tensors in 327,115,152 bytes are published; two of them, the pooler's, are not in our network."""
    from duologue.engines.tts.kokoro_network import Network

    with torch.device("meta"):
        network = Network(CONFIGS["full"])
        names = dict(published(network))
    assert len(names) == 546
    parameters = sum(tensor.numel() for tensor in names.values()) + 768 * 769
    # What is left is the file's list of names.
    assert 327_115_152 - 4 * parameters < 70_000


# --- which backend ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for what a machine without a GPU does")
class TestWithoutGpu:
    def test_graphs_need_a_gpu(self, folder: Path) -> None:
        with pytest.raises(ConfigError, match="cuda_graphs"):
            load_net(KokoroOptions(model=str(folder), cuda_graphs="on"))

    def test_a_gpu_that_is_not_there_is_refused(self, folder: Path) -> None:
        for backend in ("auto", "torch"):
            with pytest.raises(ConfigError, match="device is cuda"):
                load_net(KokoroOptions(model=str(folder), backend=backend, device="cuda"))  # type: ignore[arg-type]

    def test_auto_reads_what_is_there(self, folder: Path) -> None:
        options = KokoroOptions(model=str(folder), threads=1)
        assert isinstance(load_net(options), TorchNet)
        assert net_folder(options) == folder


# --- onnxruntime ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def graph_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("onnx", reason="the graph is written with onnx: pip install onnx")
    folder = tmp_path_factory.mktemp("kokoro-onnx")
    write_kokoro(folder, "tiny", "onnx")
    return folder


def test_the_graph_speaks_as_torch_does(graph_folder: Path, exact: TorchNet, utterances: list[Utterance]) -> None:
    """The same random weights. Noise differs, so the level is compared, and the durations exactly."""
    net = load_net(KokoroOptions(model=str(graph_folder), backend="auto", device="cpu", threads=1))
    assert net.max_batch == 1
    for theirs, ours in zip(net.speak(utterances), exact.speak(utterances), strict=True):
        assert theirs.frames == ours.frames
        assert theirs.samples.shape == ours.samples.shape
        assert theirs.samples.dtype == np.float32
        assert np.std(theirs.samples) == pytest.approx(np.std(ours.samples), rel=0.1)


def test_with_the_same_noise_the_graph_sounds_as_torch_does(
    folder: Path, graph_folder: Path, utterances: list[Utterance]
) -> None:
    onnx = pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    graph = onnx.load(graph_folder / "onnx" / "model.onnx")
    (drawn,) = (node for node in graph.graph.node if node.op_type == "RandomNormalLike")
    noise = onnx.helper.make_tensor_value_info(drawn.output[0], onnx.TensorProto.FLOAT, [1, "samples", 9])
    graph.graph.input.append(noise)
    graph.graph.node.remove(drawn)
    session = onnxruntime.InferenceSession(graph.SerializeToString())
    ours = TorchNet(folder, OPTIONS, "cpu").speak(utterances[1:2])[0]
    utterance = utterances[1]
    feed = {
        "input_ids": np.array([[0, *utterance.tokens, 0]]),
        "style": utterance.style[None],
        "speed": np.array([utterance.speed], np.float32),
        noise.name: utterance_noise(utterance, (len(ours.samples), 9), "cpu")[None].numpy(),
    }
    waveform, durations = session.run(["waveform", "durations"], feed)
    assert whole_frames(durations[0]) == ours.frames
    # Sound of 0.003 on average. In float32 some angles near pi turn round, and with them their frame.
    assert np.median(np.abs(waveform[0] - ours.samples)) < 1e-4
    assert np.corrcoef(waveform[0], ours.samples)[0, 1] > 0.99


def test_frames_are_guessed_where_the_graph_gives_none(tmp_path: Path, utterances: list[Utterance]) -> None:
    pytest.importorskip("onnx", reason="the graph is written with onnx: pip install onnx")
    write_kokoro(tmp_path, "tiny", "onnx", timed=False)
    net = load_net(KokoroOptions(model=str(tmp_path), backend="onnx", threads=1))
    spoken = net.speak(utterances[1:2])[0]
    assert len(spoken.frames) == len(utterances[1].tokens) + 2
    assert sum(spoken.frames) * FRAME_SAMPLES == len(spoken.samples)


def test_a_graph_that_refuses_what_torch_refuses(graph_folder: Path, voice: Float32) -> None:
    net = load_net(KokoroOptions(model=str(graph_folder), backend="onnx", threads=1))
    with pytest.raises(EngineError, match="1 to 510"):
        net.speak([Utterance((), voice[0])])
    net.close()
    with pytest.raises(EngineError, match="closed"):
        net.speak([Utterance((50,), voice[0])])


def test_a_folder_without_a_graph_says_what_to_do(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(EngineUnavailable, match="duologue pull kokoro-onnx"):
        load_net(KokoroOptions(model=str(folder), backend="onnx"))
    (tmp_path / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(EngineUnavailable, match="cannot read"):
        load_net(KokoroOptions(model=str(tmp_path), backend="onnx"))


def test_durations_become_frames_as_in_the_network() -> None:
    assert whole_frames(np.array([0.2, 1.5, 2.5, 3.4], np.float32)) == (1, 2, 2, 3)


def test_guessed_frames_share_the_sound_out() -> None:
    pad, space, stress, comma, sound = 0, 16, 156, 3, 50
    frames = guessed_frames((pad, sound, stress, sound, space, sound, comma, pad), 60 * FRAME_SAMPLES)
    assert sum(frames) == 60
    assert frames[1] == pytest.approx(frames[3], abs=1)
    assert frames[2] <= 1 < frames[4] < frames[1] < frames[6]

"""Sound from files, bytes, base64 and URLs; and what is refused."""

from __future__ import annotations

import base64
import http.server
import ipaddress
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from duologue.audio.frame import Float32
from duologue.engines.addresses import is_public
from duologue.engines.speech import sound_fetch
from duologue.engines.speech.sound_fetch import fetch
from duologue.engines.speech.sound_input import sound_of, speech_request, transcription_request
from duologue.engines.wav import to_wav
from duologue.errors import ClientError

_RATES_HZ = (8_000, 16_000, 44_100)


def _tone(rate_hz: int = 16_000, seconds: float = 1.0) -> Float32:
    return (0.5 * np.sin(2 * np.pi * 440 * np.arange(int(seconds * rate_hz)) / rate_hz)).astype(np.float32)


def _wav(rate_hz: int = 16_000) -> bytes:
    return to_wav(_tone(rate_hz), rate_hz)


def _is_the_tone(sound: Float32) -> bool:
    """One second of 440 Hz at 16 kHz, whatever its ends are like."""
    loudest = int(np.argmax(np.abs(np.fft.rfft(sound))))
    return bool(sound.dtype == np.float32 and abs(len(sound) - 16_000) < 1_000 and abs(loudest - 440) < 30)


@pytest.mark.parametrize("rate_hz", _RATES_HZ)
def test_any_rate_becomes_16_khz(rate_hz: int) -> None:
    sound = sound_of(_wav(rate_hz))
    assert len(sound) == 16_000
    assert np.abs(sound - _tone())[100:-100].max() < 0.01


def test_every_way_of_giving_it(tmp_path: Path) -> None:
    data = _wav()
    path = tmp_path / "a tone.wav"
    path.write_bytes(data)
    coded = base64.b64encode(data).decode()
    ways = [data, str(path), path.as_uri(), coded, f"data:audio/wav;base64,{coded}"]
    first = sound_of(data)
    assert all(np.array_equal(sound_of(way), first) for way in ways)


def test_mistral_commons_chunk_is_taken_as_it_is(tmp_path: Path) -> None:
    pytest.importorskip("mistral_common")
    from mistral_common.protocol.instruct.chunk import AudioURL, AudioURLChunk

    path = tmp_path / "tone.wav"
    path.write_bytes(_wav())
    assert _is_the_tone(sound_of(AudioURLChunk(audio_url=str(path))))
    assert _is_the_tone(sound_of(AudioURLChunk(audio_url=AudioURL(url=path.as_uri()))))


@pytest.mark.parametrize(("kind", "format_"), [("flac", "FLAC"), ("ogg", "OGG"), ("mp3", "MP3")])
def test_compressed_files(tmp_path: Path, kind: str, format_: str) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / f"tone.{kind}"
    soundfile.write(path, _tone(), 16_000, format=format_)
    assert _is_the_tone(sound_of(str(path)))


@pytest.mark.parametrize(("kind", "codec"), [("mp4", "aac"), ("webm", "libopus")])
def test_containers_of_browsers_and_phones(tmp_path: Path, kind: str, codec: str) -> None:
    av = pytest.importorskip("av")
    path = tmp_path / f"tone.{kind}"
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=48_000)
        frame = av.AudioFrame.from_ndarray(_tone(48_000)[None], format="fltp", layout="mono")
        frame.rate = 48_000
        for packet in [*stream.encode(frame), *stream.encode(None)]:
            container.mux(packet)
    assert _is_the_tone(sound_of(path.read_bytes()))


def test_two_channels_become_their_mean(tmp_path: Path) -> None:
    soundfile = pytest.importorskip("soundfile")
    path = tmp_path / "stereo.wav"
    soundfile.write(path, np.stack([_tone(), np.zeros(16_000)], axis=1), 16_000)
    assert np.abs(sound_of(str(path)) - _tone() / 2)[100:-100].max() < 0.01


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("/nowhere/at/all.wav", "neither a file here nor base64"),
        ("file:///nowhere/at/all.wav", "cannot be read"),
        ("data:audio/wav;base64,a*b", "neither a file here nor base64"),
        ("", "the file is empty"),
        (b"", "the file is empty"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "no sound file"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no sound file"),
        (b"RIFF\x00\x00\x00\x00WAVEnothing", "no sound that can be read"),
        ("https://example.com/tone.wav", "not fetched from URLs here"),
        ("HTTP://example.com/tone.wav", "not fetched from URLs here"),
    ],
)
def test_what_is_no_sound_is_refused_in_plain_words(source: str | bytes, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        sound_of(source)


def test_what_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("duologue.engines.speech.sound_input.MAX_BYTES", 1000)
    path = tmp_path / "tone.wav"
    path.write_bytes(_wav())
    for source in (_wav(), str(path), base64.b64encode(_wav()).decode()):
        with pytest.raises(ClientError, match="at most 1000 bytes"):
            sound_of(source)


def test_sound_that_unfolds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    soundfile = pytest.importorskip("soundfile")
    import io

    buffer = io.BytesIO()
    soundfile.write(buffer, np.zeros(40 * 16_000), 16_000, format="FLAC")
    assert len(buffer.getvalue()) < 20_000
    monkeypatch.setattr("duologue.engines.speech.sound_input._LONGEST_S", 30)
    with pytest.raises(ClientError, match="longer than 30 s"):
        sound_of(buffer.getvalue())


def test_the_sound_of_a_transcription_request_is_never_a_path(tmp_path: Path) -> None:
    pytest.importorskip("mistral_common")
    from mistral_common.protocol.transcription.request import TranscriptionRequest

    path = tmp_path / "tone.wav"
    path.write_bytes(_wav())
    with pytest.raises(ClientError, match=r"neither a file here nor base64|no sound file"):
        speech_request(TranscriptionRequest(model="voxtral", audio=str(path)))
    data_uri = f"data:audio/wav;base64,{base64.b64encode(_wav()).decode()}"
    ours = speech_request(TranscriptionRequest(model="voxtral", audio=data_uri))
    assert ours.messages[-1].audio is not None


def test_a_transcription_request_is_mistral_commons_and_comes_back_as_ours() -> None:
    pytest.importorskip("mistral_common")
    from mistral_common.protocol.transcription.request import TranscriptionRequest

    request = transcription_request(_wav(44_100), model="voxtral", language="fr")
    assert isinstance(request, TranscriptionRequest)
    ours = speech_request(request)
    assert (ours.wants, ours.language) == ("transcript", "fr")
    assert ours.messages[-1].audio is not None
    assert _is_the_tone(ours.messages[-1].audio)
    with pytest.raises(ClientError, match="no language"):
        transcription_request(_wav(), model="voxtral", language="english")


# --- URLs -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/a.wav",
        "https://localhost/a.wav",
        "https://[::1]/a.wav",
        "https://0.0.0.0/a.wav",
        "https://2130706433/a.wav",
        "https://10.1.2.3/a.wav",
        "https://192.168.0.1/a.wav",
        "https://169.254.169.254/latest/meta-data",
        "https://100.64.0.1/a.wav",
        "https://[fe80::1]/a.wav",
        "https://[fd00::1]/a.wav",
        "https://[::ffff:127.0.0.1]/a.wav",
        "https://[64:ff9b::7f00:1]/a.wav",
    ],
)
def test_nothing_inside_is_reached(url: str) -> None:
    with pytest.raises(ClientError, match=r"not on the open internet|no server named"):
        sound_of(url, allow_urls=True)


@pytest.mark.parametrize("address", ["1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])
def test_the_open_internet_is_allowed(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address", ["224.0.0.1", "240.0.0.1", "255.255.255.255", "ff02::1", "::", "2002:7f00:1::", "fec0::1"]
)
def test_addresses_that_are_nobodys_are_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://example.com/a.wav", "https only"),
        ("https:///a.wav", "https only"),
        ("https://me:secret@example.com/a.wav", "no name and password"),
        ("https://example.com/a b.wav", "ASCII without blanks"),
        ("https://example.com/a\r\nHost: x", "ASCII without blanks"),
        ("https://[::1/a.wav", "not a URL"),
        ("https://example.com:99999/a.wav", "not a URL"),
    ],
)
def test_urls_that_are_not_asked(url: str, said: str) -> None:
    with pytest.raises(ClientError, match=said):
        sound_of(url, allow_urls=True)


class _Pages(http.server.BaseHTTPRequestHandler):
    """What a far server may do."""

    def do_GET(self) -> None:
        body = _wav()
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/tone.wav")
            self.end_headers()
            return
        self.send_response(200)
        if self.path == "/cut":
            self.send_header("Content-Length", str(2 * len(body)))
        self.end_headers()
        if self.path == "/drip":
            while not self.server.is_over.wait(0.02):  # type: ignore[attr-defined]
                self.wfile.write(b"x")
        elif self.path == "/endless":
            self.wfile.write(bytes(4_000_000))
        else:
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        return

    def handle(self) -> None:
        try:
            super().handle()
        except OSError:
            return


class _Far:
    """An https server of this machine's own, with the context that trusts it."""

    def __init__(self, folder: Path) -> None:
        key, certificate = folder / "key.pem", folder / "certificate.pem"
        command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
        names = [
            "-subj",
            "/CN=localhost",
            "-addext",
            "subjectAltName=DNS:localhost",
            "-keyout",
            str(key),
            "-out",
            str(certificate),
        ]
        subprocess.run([*command.split(), *names], check=True, capture_output=True)
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificate, key)
        self.context = ssl.create_default_context(cafile=str(certificate))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
        self.server.is_over = threading.Event()  # type: ignore[attr-defined]
        self.server.socket = own.wrap_socket(self.server.socket, server_side=True)
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def fetch(self, path: str, timeout_s: float = 10.0) -> bytes:
        url = f"https://localhost:{self.server.server_address[1]}{path}"
        return fetch(url, permits=lambda address: address.is_loopback, context=self.context, timeout_s=timeout_s)

    def close(self) -> None:
        self.server.is_over.set()  # type: ignore[attr-defined]
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture(scope="module")
def far(tmp_path_factory: pytest.TempPathFactory) -> Iterator[_Far]:
    if shutil.which("openssl") is None:
        pytest.skip("needs the openssl program for a certificate")
    far = _Far(tmp_path_factory.mktemp("far"))
    yield far
    far.close()


def test_a_file_is_fetched_by_https(far: _Far) -> None:
    assert _is_the_tone(sound_of(far.fetch("/tone.wav?x=1")))


def test_a_redirect_is_not_followed(far: _Far) -> None:
    with pytest.raises(ClientError, match="status 302; redirects are not followed"):
        far.fetch("/moved")


def test_what_has_no_end_is_cut_off(far: _Far, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_fetch, "MAX_BYTES", 1_000_000)
    with pytest.raises(ClientError, match="too large"):
        far.fetch("/endless")


def test_what_drips_is_cut_off_in_time(far: _Far) -> None:
    before_s = time.monotonic()
    with pytest.raises(ClientError, match=r"within 0\.3 s"):
        far.fetch("/drip", timeout_s=0.3)
    assert time.monotonic() - before_s < 8


def test_a_file_that_breaks_off_is_noticed(far: _Far) -> None:
    with pytest.raises(ClientError, match="bytes of the sound are missing"):
        far.fetch("/cut")


def test_a_certificate_that_nobody_signed_is_not_trusted(far: _Far) -> None:
    url = f"https://localhost:{far.server.server_address[1]}/tone.wav"
    with pytest.raises(ClientError, match="cannot be fetched from localhost"):
        fetch(url, permits=lambda address: address.is_loopback)

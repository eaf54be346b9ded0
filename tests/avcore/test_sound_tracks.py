"""Which sound of a file is heard: its track, and how its channels are mixed."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from fractions import Fraction
from pathlib import Path
from threading import Barrier

import av
import numpy as np
import pytest

from avcore.arrays import Samples
from avcore.errors import MediaError
from avcore.media import MediaSource, probe, read_speech
from avcore.media.tracks import select_audio_track
from avcore.notes import noted_by, sentence
from netflips import cli
from netflips.dubbing.job import digest_of
from tests.avcore.made_speech import silence, talk

RATE = 16_000
TALK = talk([0.5, 2.0, 0.5])


@pytest.fixture(autouse=True)
def _new_command() -> Iterator[None]:
    with noted_by():
        yield


def write_tracks(path: Path, tracks: Sequence[tuple[Samples, str, str]], default: int = 0, video: Path | None = None) -> Path:
    """A file of sound tracks, each with its language and title; `default` has the flag. Samples [time] or [channel, time]. video:
    whose frames it gets."""
    with av.open(str(path), "w") as out, nullcontext() if video is None else av.open(str(video)) as shown:
        streams, frames = [], None if shown is None else out.add_stream_from_template(shown.streams.video[0])
        for number, (samples, language, title) in enumerate(tracks):
            layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(np.atleast_2d(samples))]
            stream = out.add_stream("flac", rate=RATE, layout=layout)
            stream.metadata.update({"language": language, "title": title})
            stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
            streams.append((stream, np.atleast_2d(samples), layout))
        for stream, samples, layout in streams:
            whole = np.round(np.clip(samples, -1, 1) * 32767).astype(np.int16)
            frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(whole.T.reshape(1, -1)), "s16", layout)
            frame.sample_rate, frame.pts, frame.time_base = RATE, 0, Fraction(1, RATE)
            resampler = av.AudioResampler("s16", layout, RATE, frame_size=4096)
            for part in (*resampler.resample(frame), *resampler.resample(None)):
                out.mux(stream.encode(part))
            out.mux(stream.encode(None))
        for packet in () if shown is None else shown.demux(shown.streams.video[0]):
            if packet.size:
                packet.stream = frames
                out.mux(packet)
    return path


def likeness(one: Samples, other: Samples) -> float:
    length = min(len(one), len(other))
    return float(np.corrcoef(one[:length], other[:length])[0, 1])


def hum() -> Samples:
    return np.asarray(0.02 * np.sin(2 * np.pi * 100 * np.arange(len(TALK)) / RATE), np.float32)


@pytest.mark.parametrize(
    ("tags", "default", "spoken", "number"),
    [
        (("kor", "eng"), 0, "en", 2),
        (("kor", "eng"), 0, None, 1),
        (("kor", "fra"), 0, "en", 1),
        (("eng", "kor"), 1, "eng", 1),
        (("eng", "eng"), 1, "en", 2),  # of two that are tagged so, the one that a player plays
    ],
)
def test_the_spoken_language_s_track(tmp_path: Path, tags: tuple[str, str], default: int, spoken: str | None, number: int) -> None:
    path = write_tracks(tmp_path / "a.mkv", [(TALK, tags[0], ""), (-TALK, tags[1], "")], default)
    source = select_audio_track(path, spoken=spoken)
    assert source.audio_track == (None if number == default + 1 else number)
    told = [f"sound track {number} ({tags[number - 1]}) is heard, and not {default + 1} ({tags[default]}): it is the one in 'en'"]
    assert [sentence(note, hint=False) for note in source.notes] == ([] if number == default + 1 else told)


def test_a_tagged_track_without_speech_is_not_taken(tmp_path: Path) -> None:
    source = select_audio_track(write_tracks(tmp_path / "a.mkv", [(TALK, "kor", ""), (hum(), "eng", "")]), spoken="en")
    assert (source.audio_track, source.notes) == (None, [])


@pytest.mark.parametrize(
    ("tracks", "default", "asked", "number", "note"),
    [
        ([(hum(), "eng", "Desktop"), (TALK, "kor", "Mic")], 0, None, 2, "track 2 (kor, Mic) is heard, since nobody speaks in 1"),
        ([(TALK, "eng", ""), (-TALK, "kor", "")], 1, None, 2, ""),
        ([(TALK, "eng", ""), (-TALK, "kor", "")], 0, "2", 2, ""),
        ([(TALK, "eng", ""), (-TALK, "kor", "")], 0, "ko", 2, ""),
        ([(-TALK, "eng", ""), (TALK, "kor", "")], 1, "eng", 1, ""),
        ([(hum(), "", ""), (silence(2.0), "", "")], 0, None, 1, "nobody seems to speak in any of its sound tracks"),
        ([(TALK, "", "")], 0, None, 1, ""),
    ],
)
def test_the_track_that_speaks_or_that_is_asked_for(
    tmp_path: Path, tracks: list[tuple[Samples, str, str]], default: int, asked: str | None, number: int, note: str
) -> None:
    path = write_tracks(tmp_path / "a.mkv", tracks, default)
    source = select_audio_track(path, asked)
    assert source.audio_track == (None if number == default + 1 else number)
    info = probe(source)
    assert info.track == number
    assert likeness(read_speech(source), tracks[number - 1][0]) > 0.99
    assert note in "".join(map(sentence, info.notes))
    assert bool(note) == bool(info.notes)
    assert probe(path).track == default + 1  # whoever names no track reads the usual one, whatever others read
    assert probe(path).notes == ()
    assert (digest_of(info) == digest_of(probe(path))) == (number == default + 1)  # work of another track is not believed


@pytest.mark.parametrize("asked", ["3", "0", "jpn", "second"])
def test_a_track_that_is_not_there_is_one_line(tmp_path: Path, asked: str) -> None:
    path = write_tracks(tmp_path / "a.mkv", [(TALK, "eng", "Desktop"), (TALK, "kor", "Mic")])
    with pytest.raises(MediaError, match=r"no such sound track; expected 1 \(eng, Desktop\), 2 \(kor, Mic\); found --audio-track"):
        select_audio_track(path, asked)


def test_threads_read_two_tracks_of_one_file(tmp_path: Path) -> None:
    path = write_tracks(tmp_path / "a.mkv", [(TALK, "eng", ""), (hum(), "kor", "")])
    both, found = Barrier(2), dict[str, Samples]()

    def read(asked: str) -> None:
        source = select_audio_track(path, asked)
        both.wait()  # each has selected its track before one is read
        found[asked] = read_speech(source)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(read, "12"))
    assert likeness(found["1"], TALK) > 0.99
    assert likeness(found["2"], hum()) > 0.99


@pytest.mark.parametrize("command", ["dub {} --out-vid-path o.mp4", "transcribe {}", "lipsync {} --speech {} --out-vid-path o.mp4"])
def test_commands_take_a_track_and_refuse_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_tracks(tmp_path / "a.mkv", [(TALK, "eng", ""), (TALK, "kor", "")])
    assert cli.main([*command.format("a.mkv", "a.mkv").split(), "--audio-track", "7", "--cpu", "--quiet"]) == 2
    assert "found --audio-track 7" in capsys.readouterr().err


def test_info_lists_all_sound_tracks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_tracks(tmp_path / "a.mkv", [(TALK, "eng", "Desktop"), (np.stack([TALK, TALK]), "kor", "Mic")])
    assert cli.main(["info", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "sound track 1: eng, Desktop, flac, 16000 Hz, 1 channel, default",
        "sound track 2: kor, Mic, flac, 16000 Hz, 2 channels",
    ]


def noise(level: float, seed: int = 1) -> Samples:
    return np.asarray(np.random.default_rng(seed).normal(0, level, len(TALK)), np.float32)


LOUD = float(np.sqrt((TALK**2).mean()))
SURROUND = np.zeros((6, len(TALK)), np.float32)


@pytest.mark.parametrize(
    ("left", "right", "name"),
    [
        (TALK, -TALK, "left"),
        (TALK, -0.9 * TALK, "left"),
        (0.8 * TALK, -TALK, "right"),
        (TALK, -0.6 * TALK, "left"),
        (TALK + noise(0.1 * LOUD), -TALK + noise(0.1 * LOUD, 2), "left"),
        (TALK, -TALK + noise(0.8 * LOUD), "left"),  # the right one is louder, and noisier
        (np.concatenate([TALK, TALK, TALK]), np.concatenate([-TALK, TALK, -TALK]), "left"),
        (TALK, TALK, ""),
        (TALK, 0 * TALK, ""),
        (TALK, noise(LOUD), ""),
        (TALK, 0.5 * TALK, ""),
        (TALK, np.roll(TALK, 8), ""),
        (noise(LOUD), noise(LOUD, 2), ""),
        (0 * TALK, 0 * TALK, ""),
    ],
)
def test_channels_that_cancel_are_not_mixed(tmp_path: Path, left: Samples, right: Samples, name: str) -> None:
    source = MediaSource(write_tracks(tmp_path / "a.mka", [(0.5 * np.stack([left, right]), "", "")]))
    heard, again = read_speech(source), read_speech(source)
    assert np.array_equal(heard, again)
    if name:
        told = tuple(map(sentence, probe(source).notes))
        assert told == (f"its channels are out of phase and cancel in the mix, so the {name} one is heard alone",)
        assert likeness(heard, left if name == "left" else right) > 0.99
    else:
        assert not probe(source).notes
        assert np.abs(heard - 0.25 * (left + right)[: len(heard)]).max() < 1e-3


def test_surround_sound_with_speech_in_the_middle_is_mixed(tmp_path: Path) -> None:
    channels = SURROUND.copy()
    channels[2], channels[0], channels[1] = 0.5 * TALK, noise(0.01), -noise(0.01)
    path = write_tracks(tmp_path / "a.mka", [(channels, "", "")])
    assert likeness(read_speech(path), TALK) > 0.99
    assert not probe(path).notes

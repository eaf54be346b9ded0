"""Sound files open again, by our own reader: the same sound, in its place, with its tags, whole or not at all."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from avcore.errors import OutputError
from avcore.media import MediaSource, SoundWriter, probe, read_sound, read_speech
from avcore.media.passthrough import PassthroughMetadata
from avcore.media.sound_writer import SOUND_ENDINGS
from tests.avcore.media_samples import clicks
from tests.avcore.test_media_sound import click_times

CODECS = {".m4a": "aac", ".mp3": "libmp3lame", ".wav": "pcm_s16le", ".flac": "flac", ".opus": "libopus", ".ogg": "libopus"}
EXACT = (".wav", ".flac")


def write_clicks(path: Path, rate: int = 44100, channels: int = 2, **more: object) -> Path:
    """Three seconds with a click in the middle of each."""
    sound = clicks(rate, 3, [0.5, 1.5, 2.5])
    with SoundWriter(path, rate, channels, **more) as writer:  # type: ignore[arg-type]
        for piece in np.array_split(np.repeat(sound[:, None], channels, axis=1), 7):
            writer.write_sound(piece)
    return path


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 2), (22050, 1)])
@pytest.mark.parametrize("ending", SOUND_ENDINGS)
def test_sound_is_in_its_place(tmp_path: Path, ending: str, rate: int, channels: int) -> None:
    path = write_clicks(tmp_path / f"a{ending}", rate, channels, comment="synthetic: NetfLips", language="ko")
    assert click_times(read_speech(path)) == pytest.approx([0.5, 1.5, 2.5], abs=0.002)

    sound, own_rate = read_sound(path)
    assert len(sound) / own_rate == pytest.approx(3, abs=2 / rate)  # no block of padding, in front or behind
    assert (own_rate, sound.shape[1]) == (48000 if ending in (".opus", ".ogg") else rate, channels)
    if ending in EXACT:
        np.testing.assert_allclose(sound[:, 0], clicks(rate, 3, [0.5, 1.5, 2.5]), atol=1 / 32768)

    info = probe(path)
    assert info.comment == "synthetic: NetfLips"
    assert (info.has_video, info.has_audio) == (False, True)
    assert float(info.duration_s) == pytest.approx(3, abs=0.001)


@pytest.mark.parametrize("ending", EXACT)
def test_sound_without_loss_has_24_bits(tmp_path: Path, ending: str) -> None:
    quiet = (np.arange(-2000, 2000) / (1 << 23)).astype(np.float32)[:, None]  # 16 bits have 16 levels for it
    with SoundWriter(tmp_path / f"a{ending}", 48000) as writer:
        writer.write_sound(quiet)
    np.testing.assert_array_equal(read_sound(tmp_path / f"a{ending}")[0], quiet)


@pytest.mark.parametrize("ending", SOUND_ENDINGS)
def test_the_same_sound_gives_the_same_file(tmp_path: Path, ending: str) -> None:
    one, other = (write_clicks(tmp_path / f"{name}{ending}").read_bytes() for name in "ab")
    assert one == other


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("ending", SOUND_ENDINGS)
def test_channels_that_a_kind_holds_are_written_and_others_refused(tmp_path: Path, ending: str, channels: int) -> None:
    lacks = {".mp3": (3, 4, 5, 6), ".opus": (4,), ".ogg": (4,)}.get(ending, ())
    if channels in lacks:
        with pytest.raises(OutputError, match=f"found {channels}") as error:
            write_clicks(tmp_path / f"a{ending}", 48000, channels)
        assert str(error.value).startswith(f"{tmp_path}/a{ending}: sound of this kind cannot be written; expected 1, 2")
        assert not list(tmp_path.iterdir())
    else:
        assert read_sound(write_clicks(tmp_path / f"a{ending}", 48000, channels))[0].shape[1] == channels


@pytest.mark.parametrize("name", ["a.aac", "a.mp4", "a"])
def test_another_kind_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"expected a name ending in \.m4a, \.mp3, \.wav, \.flac, \.opus, \.ogg"):
        SoundWriter(tmp_path / name, 16000)


def test_nothing_stays_of_an_interrupted_file(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), SoundWriter(tmp_path / "a.m4a", 16000) as writer:
        writer.write_sound(np.zeros(16000, np.float32))
        raise KeyboardInterrupt
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("given", SOUND_ENDINGS)
@pytest.mark.parametrize("ending", SOUND_ENDINGS)
def test_titles_and_chapters_go_over(tmp_path: Path, given: str, ending: str) -> None:
    source = tmp_path / f"talk{given}"
    with av.open(str(source), "w") as file:
        file.metadata.update({"title": "첫 회", "artist": "Ann", "comment": "made by hand"})
        stream = file.add_stream(CODECS[given], 48000)
        parts = ((0, 1700, "One"), (1700, 3000, "Two"))
        file.set_chapters(
            [
                {"id": begin, "time_base": Fraction(1, 1000), "start": begin, "end": end, "metadata": {"title": title}}
                for begin, end, title in parts
            ]
        )
        for second in range(3):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 48000), np.int16), "s16", "mono")
            sound.sample_rate, sound.pts, sound.time_base = 48000, 48000 * second, Fraction(1, 48000)
            file.mux(stream.encode(sound))
        file.mux(stream.encode(None))

    carried = PassthroughMetadata(MediaSource(source), Fraction, Fraction(3))
    out = write_clicks(tmp_path / f"out{ending}", carried=carried, comment="synthetic: NetfLips")
    tags = {name.lower(): text for name, text in probe(out).tags}
    assert (tags["title"], tags["artist"], tags["comment"]) == ("첫 회", "Ann", "synthetic: NetfLips")
    with av.open(str(out)) as file:
        chapters = [(float(one["start"] * one["time_base"]), one["metadata"]) for one in file.chapters()]
    with av.open(str(source)) as file:
        times = [pytest.approx(float(one["start"] * one["time_base"]), abs=0.05) for one in file.chapters()]
    held = [(time, {"title": title}) for time, title in zip(times, ("One", "Two"), strict=False)]
    assert len(held) == (0 if given in (".wav", ".flac") else 2)  # FFmpeg writes none into these
    assert chapters == (held if ending in (".m4a", ".mp3") else [])

"""Sound in, sound out: podcasts and radio are dubbed as recordings are, without frames, faces and lips."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from avcore.errors import NetflipsError
from avcore.media import SoundWriter, probe, read_sound
from avcore.media.sound_writer import SOUND_ENDINGS
from netflips.commands import dub as dub_command
from netflips.commands.dub_videos import out_name
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.model_paths import ModelPaths
from netflips.models import Models
from netflips.report.files import summary_of
from netflips.report.material import gather
from netflips.report.page import report_page
from netflips.script.files import read_script, write_script
from netflips.script.types import Script
from tests.netflips.conftest import config, error_line, model_flags
from tests.netflips.dubbing.made import PLAN, RATE, speech, work_made
from unit2av.lipsync.backend import LipSyncChoice

Dubbed = tuple[Path, Script]


@pytest.fixture(scope="session")
def episode(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _episode(tmp_path_factory.mktemp("radio") / "talk.mp3")


def _episode(path: Path) -> Path:
    """Three utterances in stereo."""
    with SoundWriter(path, RATE, 2, comment="made by hand") as writer:
        writer.write_sound(speech(PLAN, RATE).astype(np.float32))
    return path


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> DubOptions:
    return DubOptions(beam=1, max_target_units=30, work_dir=tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="session")
def dubbed(episode: Path, models: Models, plain: DubOptions, tmp_path_factory: pytest.TempPathFactory) -> Dubbed:
    out = tmp_path_factory.mktemp("out") / "talk_ko.m4a"
    with pytest.MonkeyPatch.context() as patch:
        for name in ("avcore.faces.detect.FaceDetector.__init__", "unit2av.rendering.resolve_backend"):
            patch.setattr(name, _never)
        return out, dub(episode, out, models, plain)


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("a sound has no faces")


def test_its_places_rate_channels_and_length_are_the_originals(episode: Path, dubbed: Dubbed) -> None:
    out, script = dubbed
    source, info = probe(episode), probe(out)
    assert (info.has_video, info.audio_rate, info.audio_channels) == (False, RATE, 2)
    assert float(info.duration_s) == pytest.approx(float(source.duration_s), abs=0.03)
    assert info.comment.startswith("synthetic: NetfLips")
    assert [one.number for one in script.processed] == [1, 2, 3]
    assert script.is_source_timed
    assert not script.cuts

    old, new = read_sound(episode)[0], read_sound(out)[0]
    at = [slice(round(one.place.start_s * RATE), round(one.place.end_s * RATE)) for one in script.processed]
    for place in at:  # others say other things there
        assert abs(np.corrcoef(old[place, 0], new[place, 0])[0, 1]) < 0.3
        assert np.abs(new[place]).max() > 0.01


def test_nothing_says_that_lips_were_drawn_or_frames_shown(dubbed: Dubbed) -> None:
    script = dubbed[1]
    assert (script.result.lips, script.result.frames, script.result.width) == ("none", 0, 0)
    assert [(one.drawn, one.seen.absent) for one in script.processed if one.seen] == [(None, "not_wanted")] * 3
    assert summary_of(script).splitlines()[0].endswith("sound alone")
    page = report_page([gather(script)], {})
    assert page.count("<video") == 0
    assert page.count('aria-label="Original"') == page.count('aria-label="Dub"') == 1
    assert "This recording is synthetic.</b> The voice was made" in page
    for word in ("new lips", "frame", "scene cuts", "none was found", "second of video", "Watch", "보기"):
        assert word not in page.split("<script>")[0].split("</style>")[1], word


@pytest.mark.parametrize("ending", SOUND_ENDINGS)
def test_every_kind_goes_in_and_out_and_finished_work_is_found_again(
    ending: str, episode: Path, dubbed: Dubbed, models: Models, plain: DubOptions, tmp_path: Path
) -> None:
    out, again = tmp_path / f"first{ending}", tmp_path / f"second{ending}"
    script = dub(episode, out, models, plain)
    assert work_made(script) == {}  # all of it is kept from another output
    dub(episode, again, models, plain)
    assert out.read_bytes() == again.read_bytes()
    rate = 48000 if ending in (".opus", ".ogg") else RATE
    assert (probe(out).audio_rate, probe(out).audio_channels) == (rate, 2)

    source = _episode(tmp_path / f"talk{ending}")
    other = dub(source, tmp_path / "other.wav", models, replace(plain, work_dir=tmp_path / "work"))
    assert len(other.processed) == 3
    lengths = [len(read_sound(path)[0]) / probe(path).audio_rate for path in (source, tmp_path / "other.wav")]
    assert lengths[1] == pytest.approx(lengths[0], abs=0.0005 if ending != ".mp3" else 0.03)  # which counts its padding


@pytest.mark.parametrize("ending", [".mp3", ".m4a"])
def test_a_cover_is_no_video_and_titles_go_over(
    ending: str, episode: Path, models: Models, plain: DubOptions, tmp_path: Path
) -> None:
    source, out = _with_cover(_episode(tmp_path / f"plain{ending}"), tmp_path / f"talk{ending}"), tmp_path / f"out{ending}"
    assert (probe(source).has_video, probe(source).video_tracks) == (False, ())
    assert len(dub(source, out, models, replace(plain, work_dir=tmp_path / "work")).processed) == 3
    tags = dict(probe(out).tags)
    assert (tags["title"], tags["comment"].partition(",")[0][:19]) == ("첫 회", "synthetic: NetfLips")


def _with_cover(sound: Path, out: Path) -> Path:
    with av.open(str(sound)) as given, av.open(str(out), "w", format=None if out.suffix == ".mp3" else "mp4") as file:
        file.metadata["title"] = "첫 회"
        own = given.streams.audio[0]
        heard, cover = file.add_stream_from_template(own), file.add_stream("mjpeg", rate=25)
        cover.width, cover.height, cover.pix_fmt, cover.disposition = 64, 64, "yuvj420p", Disposition.attached_pic
        image = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 128, np.uint8), "rgb24")
        file.mux([*cover.encode(image), *cover.encode(None)])
        for packet in given.demux(own):
            if packet.size:
                packet.stream = heard
                file.mux(packet)
    return out


def test_a_draft_is_corrected_and_subtitles_lie_beside(
    episode: Path, dubbed: Dubbed, spelling: Models, plain: DubOptions, tmp_path: Path
) -> None:
    draft = tmp_path / "talk.json"
    dub(episode, tmp_path / "no.m4a", spelling, replace(plain, draft=draft))
    assert not (tmp_path / "no.m4a").exists()
    script = read_script(draft)
    write_script(draft, replace(script, utterances=script.utterances[:2]))
    out = tmp_path / "talk_ko.flac"
    assert len(dub(episode, out, spelling, replace(plain, script_in=draft)).processed) == 2
    assert read_sound(out)[0].shape[1] == 2


def test_the_sound_of_a_video_can_be_dubbed_alone(recording: Path, models: Models, settings: DubOptions, tmp_path: Path) -> None:
    script = dub(recording, tmp_path / "talk_ko.mp3", models, settings)
    assert (script.result.frames, script.result.lips, len(script.processed)) == (0, "none", 3)
    info = probe(tmp_path / "talk_ko.mp3")
    assert (info.has_video, info.audio_rate, info.audio_channels) == (False, RATE, 2)
    page = report_page([gather(script)], {})
    assert (page.count("<video"), page.count('aria-label="Original"'), page.count('aria-label="Dub"')) == (1, 1, 1)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"burn_subtitles": "target"}, "needs frames, and a sound file has none; found --burn-subtitles; leave it out"),
        ({"subtitles": "target", "embed_subtitles": True}, "found --embed-subtitles"),
        ({"label": "synthetic"}, "found --burn-label"),
        ({"modalities": "video"}, "found --modalities video"),
        ({"lips": "mesh"}, "found --lips"),
        ({"lips": LipSyncChoice(values={"lips_with": "draw {video} {out}"})}, "found --lips"),
        ({"operator": "Studio"}, "found operator"),
        ({"video_track": 1}, "it has no such video track"),
    ],
)
def test_what_needs_frames_is_refused(
    episode: Path, models: Models, plain: DubOptions, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(NetflipsError, match=words):
        dub(episode, tmp_path / "x.m4a", models, replace(plain, **changes))
    assert not list(tmp_path.iterdir())


def test_a_video_is_no_dub_of_a_sound(episode: Path, paths: ModelPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [str(episode), "-o", str(tmp_path / "x.mp4"), "--to", "ko", *model_flags(paths), "--from", "en"]
    assert dub_command.main(words) == 2
    expected = (
        "the dub of a sound file is a sound file; expected a name ending in .m4a, .mp3, .wav, .flac, .opus, .ogg; found x.mp4"
    )
    assert error_line(capsys).endswith(expected)
    assert not (tmp_path / "x.mp4").exists()


@pytest.mark.parametrize(
    ("name", "made"),
    [("a.mp4", "a_ko.mp4"), ("a.WEBM", "a_ko.mp4"), ("a.mp3", "a_ko.mp3"), ("a.OGG", "a_ko.ogg"), ("a.aac", "a_ko.m4a")],
)
def test_names_that_nobody_gave(name: str, made: str) -> None:
    assert out_name(Path(name), Path("out"), "ko") == Path("out") / made


def test_a_folder_of_sound_is_dubbed(
    episode: Path, paths: ModelPaths, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "radio").mkdir()
    (tmp_path / "radio" / "one.mp3").write_bytes(episode.read_bytes())
    done: list[tuple[Path, Path]] = []
    one: Callable[..., Any] = lambda source, target, *_: done.append((source, target)) or Script()  # noqa: E731
    monkeypatch.setattr("netflips.commands.dub_videos._dub_one", one)
    words = [str(tmp_path / "radio"), "--out-dir", str(tmp_path / "ko"), "--to", "ko", "--from", "en", *model_flags(paths)]
    assert dub_command.main(words) in (None, 0)
    assert done == [(tmp_path / "radio" / "one.mp3", tmp_path / "ko" / "one_ko.mp3")]
    capsys.readouterr()
    (tmp_path / "radio" / "film.mp4").write_bytes(b"")
    assert dub_command.main(words) in (None, 0)
    assert done[1:] == [(tmp_path / "radio" / "film.mp4", tmp_path / "ko" / "film_ko.mp4")]
    assert "only its videos are dubbed; name its 1 sound file to dub those" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [["--subtitles", "target"], config(stems="stems"), ["--sign"]])
def test_outputs_of_other_endings_share_no_files_beside_them(
    flags: list[str], episode: Path, paths: ModelPaths, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [tmp_path / name for name in ("one.mp3", "one.wav")]
    for one in both:
        one.write_bytes(episode.read_bytes())
    words = [*map(str, both), "--out-dir", str(tmp_path / "ko"), "--to", "ko", "--from", "en", *model_flags(paths)]
    assert dub_command.main([*words, *flags]) == 2
    found = f"would be written under one name; found {tmp_path / 'ko' / 'one_ko'}; give them apart, or name one otherwise"
    assert error_line(capsys).endswith(found)
    assert not (tmp_path / "ko").exists()

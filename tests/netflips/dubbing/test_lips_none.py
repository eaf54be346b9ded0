"""`--lips none`: the sound is dubbed, frames are copied bit for bit, or encoded as they are where they cannot be."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from avcore.errors import UsageError
from avcore.media import probe
from netflips.dubbing.dub import dub
from netflips.dubbing.licences import terms_of_dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from netflips.provenance.manifest import read_provenance
from netflips.provenance.options import SPEECH
from netflips.report.files import summary_of
from netflips.report.material import gather
from netflips.report.page import report_page
from netflips.script.files import script_json
from netflips.script.types import Script
from tests.avcore.test_copying import packets
from tests.netflips.conftest import write_clip
from tests.netflips.dubbing.made import FRAME_RATE, PLAN, RATE, decode, speech, write_times
from unit2av.lipsync.backend import LipSyncChoice

Dubbed = tuple[Path, Script]


@pytest.fixture(scope="session")
def plain(settings: DubOptions) -> DubOptions:
    return replace(settings, lips="none")  # type: ignore[arg-type]  # as from Python


@pytest.fixture(scope="session")
def dubbed(recording: Path, models: Models, plain: DubOptions, tmp_path_factory: pytest.TempPathFactory) -> Dubbed:
    out = tmp_path_factory.mktemp("out") / "talk_ko.mp4"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("avcore.faces.detect.FaceDetector.__init__", _never)
        patch.setattr("netflips.dubbing.render.opened_lip_sync", _never)
        return out, dub(recording, out, models, plain)


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("nobody asked for a face")


def _codes(script: Script) -> list[str]:
    return [one.note.values["reason"] for one in script.grouped_notes if one.note.code == "frames_encoded"]


def test_frames_are_the_recordings_own_and_the_sound_is_new(recording: Path, dubbed: Dubbed) -> None:
    out, script = dubbed
    assert packets(out) == packets(recording)
    info = probe(out)
    assert (info.frame_rate, info.audio_rate, info.audio_channels) == (FRAME_RATE, RATE, 2)
    assert script.result.frames == probe(recording).num_frames
    assert not _codes(script)

    old, new = decode(recording), decode(out)
    assert new.sound.shape == old.sound.shape
    for one in script.processed:
        place = slice(round(one.place.start_s * RATE), round(one.place.end_s * RATE))
        assert abs(np.corrcoef(old.sound[place, 0], new.sound[place, 0])[0, 1]) < 0.3


def test_nothing_says_that_lips_were_drawn(dubbed: Dubbed, models: Models, plain: DubOptions) -> None:
    script = dubbed[1]
    assert script.result.lips == "none"
    assert [(one.drawn, one.seen.absent) for one in script.processed if one.seen] == [(None, "not_wanted")] * 3
    assert f"{script.result.frames} frames as they were" in summary_of(script)
    assert "face" not in json.dumps([note for one in script_json(script)["utterances"] for note in one.get("notes", ())])
    page = report_page([gather(script)], {})
    assert page.count("<video") == 2
    assert "The voice was made by NetfLips" in page
    for word in ("new lips", "kept the original mouth", "none was found", "sound only"):
        assert word not in page, word
    assert "lips" not in {one.part for one in terms_of_dub(models.paths, plain, "ko")}
    assert plain.generated is SPEECH


def test_the_manifest_says_speech(recording: Path, models: Models, plain: DubOptions, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    consent = tmp_path / "consent.json"
    consent.write_text(json.dumps([{"who": "Ann", "agreed_to": "a dub"}]))
    script = dub(recording, out, models, replace(plain, operator="Studio", consent=consent))
    done = [one for one in read_provenance(out).actions if one["action"] == "c2pa.dubbed"]
    assert [(one["description"], one.get("changes")) for one in done] == [("speech", None)]
    assert SPEECH.notice in probe(out).comment
    assert _codes(script) == ["encoded_drawn"]  # the label is in all frames
    assert np.abs(decode(out).frames.astype(int) - decode(recording).frames)[:, :20].max() > 60


@pytest.mark.parametrize(
    ("changes", "why"), [({"label": "made"}, "drawn"), ({"freeze_frame": True}, "freeze"), ({"start": 4.1}, "cut")]
)
def test_frames_that_cannot_be_copied_are_encoded_and_it_says_why(
    recording: Path, telltale_models: Callable[[int], Models], plain: DubOptions, tmp_path: Path, changes: dict[str, Any], why: str
) -> None:
    out = tmp_path / "out.mp4"
    script = dub(recording, out, telltale_models(12), replace(plain, **changes))  # 7 s of speech by itself
    assert _codes(script) == [f"encoded_{why}"]
    assert script.result.frames == probe(out).num_frames > 0
    assert [(one.drawn, one.seen.absent) for one in script.processed if one.seen] == [(None, "not_wanted")] * len(script.processed)

    old, new = decode(recording), decode(out)
    if why == "cut":  # the frames of the part, no more and no fewer
        begin = int(np.searchsorted(old.times, script.result.part.start_s, "right")) - 1
        assert len(new.frames) == len(old.frames) - begin
        assert np.abs(old.frames[begin:].astype(int) - new.frames).mean() < 3
    if why == "freeze":
        assert len(new.frames) > len(old.frames)
        assert sum(one.fit.freeze_s for one in script.processed) > 1


def test_a_part_has_its_frames_alone(recording: Path, models: Models, plain: DubOptions, tmp_path: Path) -> None:
    script = dub(recording, tmp_path / "out.mkv", models, replace(plain, end=3.9))
    assert len(script.processed) == 1
    assert _codes(script) == ["encoded_cut"]
    assert probe(tmp_path / "out.mkv").num_frames == script.result.frames < probe(recording).num_frames


def test_a_clip_is_not_played_to_and_fro_unless_that_is_asked_for(models: Models, tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", speech([0.3, 1.4, 0.3], 16000, 1)[:, 0].astype(np.float32))
    options = DubOptions(beam=1, max_target_units=20, lips="none")  # type: ignore[arg-type]
    script = dub(clip, tmp_path / "own.mp4", models, options)
    assert script.is_source_timed
    assert [content for _, content in packets(tmp_path / "own.mp4")] == [content for _, content in packets(clip)]

    script = dub(clip, tmp_path / "free.mp4", models, replace(options, timing="free"))
    assert (script.schedule, _codes(script)) == ("ping_pong", ["encoded_loop"])
    assert script.result.frames == probe(tmp_path / "free.mp4").num_frames


def test_lips_are_read_if_somebody_asks_for_that(recording: Path, models: Models, plain: DubOptions, tmp_path: Path) -> None:
    script = dub(recording, tmp_path / "out.mp4", models, replace(plain, modalities="audio,video"))
    assert packets(tmp_path / "out.mp4") == packets(recording)
    assert [one.source_units.modalities for one in script.processed] == ["audio,video"] * 3
    assert all(one.seen.absent == "not_wanted" for one in script.processed)
    assert not [one for one in script.grouped_notes if "face" in one.note.code or "sight" in one.note.code]


def test_a_script_goes_on_from_one_with_lips(recording: Path, spelling: Models, plain: DubOptions, tmp_path: Path) -> None:
    script = write_times(tmp_path / "times.json", (PLAN[0], PLAN[0] + PLAN[1], "안녕하세요"))
    assert len(dub(recording, tmp_path / "out.mp4", spelling, replace(plain, script_in=script)).processed) == 1
    assert packets(tmp_path / "out.mp4") == packets(recording)


def test_a_backend_does_not_go_with_it() -> None:
    with pytest.raises(UsageError, match="--lips none draws no lips; found --lips-with; leave one of them out"):
        DubOptions(lips=LipSyncChoice("none", {"lips_with": "python lips.py"}))

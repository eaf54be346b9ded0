"""A folder to publish: what lies in it, how loud and long it is, and that a corrected sentence leaves the rest as it was."""

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from avcore.media import probe, read_sound
from avcore.speech.audio import loudness_lufs
from netflips.dubbing.dub import dub
from netflips.dubbing.options import DubOptions
from netflips.models import Models
from tests.netflips.dubbing.made import PLAN, RATE
from tests.netflips.dubbing.test_coverage import SPEECH, srt
from unit2av.lipsync.backend import LipSyncChoice

TAGS = {"title": "Two heads", "description": "They talk.\nBoth."}


@pytest.fixture(scope="module")
def tagged(recording: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recording with a title, a description and two chapters."""
    path = tmp_path_factory.mktemp("tagged") / "talk.mp4"
    with av.open(str(recording)) as source, av.open(str(path), "w") as out:
        out.metadata.update(TAGS)
        streams = {one.index: out.add_stream_from_template(one) for one in source.streams}
        edges = (0, 3000, 6000)
        out.set_chapters([
            {"id": number, "start": start, "end": stop, "time_base": Fraction(1, 1000), "metadata": {"title": f"Part {number}"}}
            for number, (start, stop) in enumerate(pairwise(edges), 1)
        ])  # fmt: skip
        for packet in source.demux():
            if packet.dts is not None:
                packet.stream = streams[packet.stream.index]
                out.mux(packet)
    return path


def test_the_folder_has_what_a_platform_asks_for(tagged: Path, models: Models, settings: DubOptions, tmp_path: Path) -> None:
    folder, out = tmp_path / "to publish", tmp_path / "talk_ko.mp4"
    asked = replace(settings, publish=folder, lips=LipSyncChoice("none"), tracks="dub,original")
    dub(tagged, out, models, asked)
    endings = ("en.m4a", "en.txt", "jpg", "ko.m4a", "ko.txt", "mp4")
    assert sorted(one.name for one in folder.iterdir()) == [f"talk_ko.{one}" for one in endings]  # no model wrote the texts
    for name in ("mp4", "ko.m4a", "en.m4a"):
        path = folder / f"talk_ko.{name}"
        assert float(probe(path).duration_s) == pytest.approx(sum(PLAN), abs=0.15)
        assert loudness_lufs(read_sound(path)[0], RATE) == pytest.approx(-14, abs=0.7)
    assert cv2.imread(str(folder / "talk_ko.jpg")).shape[1] == probe(out).width
    assert (folder / "talk_ko.en.txt").read_text(encoding="utf-8").split("\n") == [
        "Two heads", "", "They talk.", "Both.", "", "0:00 Part 1", "0:03 Part 2", "",
        "Voices in this video were made with AI: it is dubbed from English.", "",
    ]  # fmt: skip
    assert "AI로 만들었습니다" in (folder / "talk_ko.ko.txt").read_text(encoding="utf-8")

    (folder / "talk_ko.ko.txt").write_text("고친 글", encoding="utf-8")  # a person's
    dub(tagged, out, models, asked)
    assert "고친 글" in {one.read_text(encoding="utf-8") for one in folder.glob("talk_ko.ko*.txt*")}


def test_a_corrected_sentence_leaves_the_rest_as_loud_as_it_was(
    recording: Path, spelling: Models, settings: DubOptions, tmp_path: Path
) -> None:
    quick, sounds = replace(settings, modalities="audio", check="off", lips=LipSyncChoice("none")), []
    for text in ("우리", "우리 모두 다 같이"):
        given = srt(tmp_path / "a.srt", *SPEECH)
        lines = given.read_text(encoding="utf-8").split("\n\n")
        head, _, _ = lines[1].rpartition("\n")
        given.write_text("\n\n".join([lines[0], f"{head}\n{text}", *lines[2:]]), encoding="utf-8")
        asked = replace(quick, script_in=given, loudness=-20.0, work_dir=tmp_path / "work")
        dub(recording, tmp_path / "x.wav", spelling, asked)
        sounds.append(read_sound(tmp_path / "x.wav")[0])
    apart = np.abs(sounds[0] - sounds[1]).max(axis=1)
    start, stop = (round(at * RATE) for at in (SPEECH[1][0] - 0.3, SPEECH[2][0] - 0.1))
    assert apart[start:stop].max() > 0.01
    assert max(apart[:start].max(), apart[stop + RATE // 2 :].max()) == 0

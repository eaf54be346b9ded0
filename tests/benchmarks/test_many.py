"""Which videos the benchmark of many dubs takes, in which stretch, without dubbing any."""

from argparse import Namespace
from pathlib import Path

import pytest

from benchmarks import many
from benchmarks.ledger import Ledger


def _measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clips: int, recordings: int, stretches: int) -> list[str]:
    """Names of what is measured, in order; nothing is measured without videos."""

    def run(videos: list[Path], out: Path, workers: int) -> dict:
        assert videos, f"nothing to dub into {out}"
        return {"done": len(videos), "wall_s": 1.0, "peak_mib": 1.0}

    for name in ("_by_ray", "_plainly"):
        monkeypatch.setattr(many, name, run)
    for name in ("write_clips", "write_recordings"):
        monkeypatch.setattr(many, name, lambda folder, count, *_: [folder / f"{number}.mp4" for number in range(count)])
    options = Namespace(
        clips=tmp_path, many_clips=clips, many_recordings=recordings, many_seconds=60.0, many_workers=2, many_stretches=stretches,
        many_alone=5, many_until_s=0.0,
    )  # fmt: skip
    ledger = Ledger(tmp_path / "many.json", {}, goes_on=False)
    many.measure_many(options, tmp_path, tmp_path, ledger)
    return list(ledger.points)


def _sides(kind: str, stretch: int) -> list[str]:
    return [f"{kind}, {who}, stretch {stretch}" for who in ("1 worker on 1 core", "2 plain processes", "2 workers")]


@pytest.mark.parametrize(("clips", "recordings", "kind"), [(4, 0, many.CLIPS), (0, 4, many.RECORDINGS)])
def test_a_kind_of_which_there_are_none_is_left_out(
    clips: int, recordings: int, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _measured(tmp_path, monkeypatch, clips, recordings, stretches=1) == _sides(kind, 1)


def test_a_stretch_without_videos_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [*_sides(many.CLIPS, 1), *_sides(many.RECORDINGS, 1), *_sides(many.CLIPS, 2)]
    assert _measured(tmp_path, monkeypatch, 2, 1, stretches=3) == expected


def test_no_videos_at_all_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="expected one or more of --many-clips or --many-recordings"):
        _measured(tmp_path, monkeypatch, 0, 0, stretches=1)

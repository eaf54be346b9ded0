"""What every corpus keeps: it is prepared, gone on with after a kill, known where it was moved to, and refused in one line."""

import json
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from avcore.data.manifest_command import check_manifest
from netflips import cli
from netflips.commands.prepare import CORPORA
from tests.avcore.data.prepare.made import talking_head
from tests.avcore.data.prepare.trees import (
    lip_label,
    write_aihub_lips,
    write_kaldi_folder,
    write_kosp2e,
    write_kox,
    write_lhotse,
    write_muavic,
    write_zeroth,
)

Build = Callable[[Path, Path, Path], Path]
"""Builds a corpus in a folder from a short video of a head and one of mouth crops; returns what --data-root names."""
PLAN = (0.2, 0.7, 0.4, 0.7, 0.1)
"""Silence and speech of the head in turn, seconds."""
SHORT = "--framing none --min-face-share 0 --min-face-height 1 --min-sharpness 0 --max-lip-jump 9"


class Row(NamedTuple):
    """A corpus."""

    build: Build
    options: str
    others: str
    """options that a folder begun with the first ones refuses"""
    counts: dict[str, int]
    """entries of its manifests"""
    told: str
    """what is said of a folder with another layout"""


def _clips(*places: str) -> Build:
    def build(root: Path, head: Path, crops: Path) -> Path:
        for place in places:
            (root / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(head, root / place)
        return root

    return build


def _lips(root: Path, head: Path, crops: Path) -> Path:
    times = ((0.2, 0.9), (1.3, 2.0))
    sentences = [{"ID": n, "sentence_text": "네", "start_time": start, "end_time": end} for n, (start, end) in enumerate(times)]
    label = lip_label("lip_1", [[90, 60, 190, 170]] * 53, Sentence_info=sentences)
    return write_aihub_lips(root, "lip_1", head.read_bytes(), label)


def _talks(which: int) -> Build:
    return lambda root, head, crops: write_muavic(root, crops, crops)[which]


ROWS = {
    "zeroth": Row(lambda root, *_: write_zeroth(root), "", "", {"manifest": 9}, "found notes.md; unpack it first: tar xzf zeroth"),
    "kosp2e": Row(lambda root, *_: write_kosp2e(root), "", "--subset kss", {"manifest": 2}, "expected split/zeroth_train.xlsx"),
    "lhotse": Row(
        lambda root, *_: write_lhotse(root), "--language en", "--language de", {"manifest": 4}, "make them with lhotse prepare"
    ),
    "kaldi": Row(lambda root, *_: write_kaldi_folder(root), "", "--language en", {"manifest": 3}, "wav.scp of the Kaldi folder"),
    "kox": Row(
        lambda root, *_: write_kox(root, english=True), f"--synthesise-with '{sys.executable} -c 0 {{text}} {{out}}'",
        f"--synthesise-with '{sys.executable} -c 1 {{text}} {{out}}'", {"en": 2, "ko": 2}, "0 Korean recordings, 0 labels",
    ),
    "muavic": Row(_talks(0), "--source es --mtedx {root}/mtedx", "--split valid", {"manifest": 4}, "expected test.tsv"),
    "lips": Row(_lips, SHORT, "--padding 0.2", {"manifest": 2}, "0 videos, 0 labels"),
    "grid": Row(_clips("s1/prwo5p.mp4", "s31/bbaf2n.mp4"), SHORT, "--split unseen", {"manifest": 2}, "expected s1/video/bbaf2n"),
    "lrs": Row(_clips("test/a/00001.mp4", "trainval/b/00001.mp4"), SHORT, "--set test", {"manifest": 2}, "layout of LRS2 or LRS3"),
    "video": Row(
        _clips("a/one.mp4", "b/two.mp4"), f"{SHORT} --min-seconds 0.4 --max-seconds 1.4", "--framing full", {"manifest": 4},
        "there is no video in this folder",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return talking_head(tmp_path_factory.mktemp("head") / "head.mp4", PLAN)


def _files(out: Path) -> dict[Path, tuple[bytes, int]]:
    """Content and time of all results, without the journal."""
    found = (path for path in out.rglob("*") if path.is_file() and ".work" not in path.parts)
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in found}


def test_every_corpus_is_here() -> None:
    assert {*ROWS, "pairs"} == {*CORPORA}


@pytest.mark.parametrize("name", ROWS)
def test_a_corpus_is_prepared_gone_on_with_moved_and_refused(
    name: str, head: Path, parity_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    build, options, others, counts, told = ROWS[name]
    root, moved, out, fresh = (tmp_path / one for one in ("corpus", "moved", "out", "fresh"))
    inner = build(root, head, parity_dir / "clip_long.lip.mp4").relative_to(root)
    manifests = {one: out / f"{one}.jsonl" for one in counts}

    def prepare(words: str, place: Path, into: Path = out) -> int:
        where = ["--data-root", str(place), "--out-dir", str(into), "--workers", "1", "--quiet"]
        here = root if root.exists() else moved
        return cli.main(["prepare", name, *where, *shlex.split(words.replace("{root}", str(here)))])

    assert prepare(options, root / inner) in (0, 1)
    whole = _files(out)
    assert {one: len(path.read_bytes().splitlines()) for one, path in manifests.items()} == counts
    # The made talks of MuAViC, which is not copied, are not as long as its table says.
    problems = [check_manifest(path, is_deep=name != "muavic").problems for path in manifests.values()]
    assert problems == [[] for _ in counts]

    # As a kill leaves it: half of the records and a torn line, the mark of a run, no manifest. What is recorded is not made again.
    journal = out / ".work" / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    half = len(lines) // 2
    journal.write_bytes(b"".join(lines[:half]) + lines[half][:9])
    (out / ".work" / "running").touch()
    for path in manifests.values():
        path.unlink()
    assert prepare(options, root / inner) in (0, 1)
    again = _files(out)
    assert {path: content for path, (content, _) in again.items()} == {path: content for path, (content, _) in whole.items()}
    kept = [out / row["audio"] for line in lines[:half] for row in json.loads(line).get("rows", {}).values()]
    assert all(again[path] == whole[path] for path in kept if path in whole)

    # Another place of the corpus is no other corpus.
    root.rename(moved)
    assert prepare(options, moved / inner) in (0, 1)
    assert {path: one for path, one in _files(out).items() if path.parent != out} == {
        path: one for path, one in again.items() if path.parent != out
    }

    # Refused: a corpus that is not there, one that would hold its results, another layout, other settings.
    capsys.readouterr()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "notes.md").write_text("no corpus")
    before = _files(tmp_path)
    assert [prepare(options, place, fresh) for place in (root / inner, tmp_path)] == [2, 2]
    assert not fresh.exists()
    assert prepare(options, tmp_path / "other", fresh) == 2
    assert not others or prepare(f"{options} {others}", moved / inner) == 2
    missing, inside, layout, *settings = capsys.readouterr().err.splitlines()
    assert "the corpus is not there" in missing
    assert "the output folder lies inside the corpus" in inside
    assert told in layout
    assert ["this folder was begun with other settings" in line for line in settings] == [True] * bool(others)
    assert _files(tmp_path) == before


@pytest.mark.parametrize("name", CORPORA)
def test_every_corpus_has_its_options(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", name, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    assert said.startswith(f"usage: netflips prepare {name}")
    assert "--out-dir" in said


@pytest.mark.parametrize(
    ("words", "said"), [(["lrs3"], "unknown value 'lrs3'"), (["zerot"], "did you mean zeroth?"), ([], "CORPUS")]
)
def test_an_unknown_corpus_is_one_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["prepare", *words])
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("netflips prepare: error: ")
    assert said in line

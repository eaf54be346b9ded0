"""Every command of the pages about data runs, in their order, on small trees in the layouts of the corpora."""

import os
import re
import runpy
import shlex
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from avcore.manifest import read_manifest
from avcore.unit_store import read_units
from netflips.batch.session import ray_session
from netflips.cli import main as netflips
from netflips.demo.camera import Pose
from netflips.random_checkpoints import write_random_checkpoints
from tests.netflips.corpora.made import talking_head
from tests.netflips.corpora.trees import LIP_PLAN, lip_label, write_aihub_lips, write_kox, write_zeroth

ROOT = Path(__file__).resolve().parents[2]
PAGES = ("data.md", "data_preparation.md")
KOX_NAMES = [f"et_{topic}_005_002_009_{number:04d}" for topic, count in (("a", 4), ("b", 1), ("c", 1)) for number in range(count)]
LIP_NAME = "lip_J_1_F_03_E220_A_001"


def commands_of(page: str) -> list[str]:
    """The lines of a page's code blocks, continued lines as one."""
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


COMMANDS = [pytest.param(line, id=f"{page}-{number}") for page in PAGES for number, line in enumerate(commands_of(page), 1)]


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with the corpora, the checkpoints and the scripts, on a machine that shows one core."""
    folder = tmp_path_factory.mktemp("desk")
    with ray_session(1), pytest.MonkeyPatch.context() as patch:
        write_random_checkpoints(folder, "tiny", only_korean=True)
        _write_corpora(folder)
        patch.setattr(os, "sched_getaffinity", lambda _: {0})
        patch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")  # as in an activated environment
        patch.chdir(folder)
        yield folder


def _write_corpora(folder: Path) -> None:
    zeroth = write_zeroth(folder / "unpacked", per_speaker=2, seconds=1.2)
    with tarfile.open(folder / "zeroth_korean.tar.gz", "w:gz") as archive:
        for one in zeroth.iterdir():
            archive.add(one, one.name)
    write_kox(folder / "Ko-X", names=KOX_NAMES, seconds=1.0)
    for seed, name in enumerate(("anna", "ben", "carl"), 2):
        talking_head(folder / "talks" / name / "talk.mp4", (0.2, 2.4, 0.2), seed)
    talk = (folder / "talks" / "anna" / "talk.mp4").read_bytes()
    for copy in ("lrs3/trainval/anna/00001.mp4", "videos/a.mp4", "videos/b.mp4"):
        (folder / copy).parent.mkdir(parents=True, exist_ok=True)
        (folder / copy).write_bytes(talk)
    talking_head(folder / "grid" / "s1" / "talk.mp4", (0.2, 3.4, 0.2))
    (folder / "lrs3" / "trainval" / "anna" / "00001.txt").write_text("Text:  HELLO THERE\n")
    seen = talking_head(folder / "seen.mp4", LIP_PLAN, rate=30, size=(180, 320), pose=Pose(scale=0.4, shift=(0.25, 0.0)))
    label = lip_label(LIP_NAME, [[36, 164, 140, 246]] * 132)
    write_aihub_lips(folder / "009.립리딩(입모양) 음성인식 데이터", LIP_NAME, seen.read_bytes(), label)


def run(line: str, patch: pytest.MonkeyPatch) -> int:
    """Run a command as its page has it; ours without a new process, which would load all libraries again."""
    words = shlex.split(line)
    if words[0] == "netflips":
        return netflips(words[1:])
    if words[:2] == ["python", "-m"]:
        return int(import_module(words[2]).main(words[3:]))
    if words[0] != "python":
        return subprocess.run(words, check=False).returncode
    patch.setattr(sys, "argv", words[1:])
    with pytest.raises(SystemExit) as ended:
        runpy.run_path(str(ROOT / words[1]), run_name="__main__")
    return int(ended.value.code or 0)


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_of_the_page_runs(line: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(line, monkeypatch) == 0


@pytest.mark.parametrize(
    ("manifest", "units", "count"),
    [
        ("zeroth/train", "zeroth", 4),
        ("kox/ko", "kox/ko", 6),
        ("kox/en", "kox/en", 6),
        ("talks/manifest", "talks", 3),
        ("aihub_lips/train", "aihub_lips", 2),
    ],
)
def test_every_utterance_has_its_units(manifest: str, units: str, count: int, desk: Path) -> None:
    entries = read_manifest(desk / "data" / f"{manifest}.jsonl").entries
    found = read_units(desk / "units" / units)
    assert sorted(found) == sorted(entry.id for entry in entries)
    assert len(found) == count
    for entry in entries:
        assert len(found[entry.id].frames()) == pytest.approx(entry.duration_s * 50, abs=2)


def test_other_results_of_the_page_are_there(desk: Path) -> None:
    assert (desk / "data" / "pairs" / "dict.en.txt").is_file()
    assert len(list((desk / "units" / "raw" / "units").rglob("*.unit"))) == 3
    assert len(list((desk / "lips" / "lips").rglob("*.lip.mp4"))) == 3
    assert len(list((desk / "dubbed").glob("*.mp4"))) == 2
    assert [entry.frames for entry in read_manifest(desk / "data" / "grid3s" / "manifest.jsonl").entries] == [75]

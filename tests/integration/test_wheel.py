"""The package as a user installs it: built, put into an empty environment beside no checkout, and used from another folder.

What the package depends on is not installed again: the environment sees the site-packages of the one that runs the tests, below
its own. No checkout is on its path; the first test makes sure of that.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from avcore.media import probe
from netflips.stages import STAGES
from recipes.made.tones import sing_corpus
from tests.avcore.data.prepare.trees import write_zeroth

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("avcore", "av2unit", "unit2unit", "unit2av", "unit2text", "text2unit", "netflips")
PARTS = (*PACKAGES, "configs", "docs/clip", "pyproject.toml", "README.md", "LICENSE", "inference_av2av.py")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, through an sdist as `python -m build` makes it, of a copy: building leaves folders behind."""
    folder = tmp_path_factory.mktemp("build")
    for name in PARTS:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
            shutil.copytree(ROOT / name, folder / "source" / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, folder / "source" / name)
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder / "dist"), str(folder / "source")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment with the wheel in it."""
    folder = tmp_path_factory.mktemp("installed") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    python = folder / "bin" / "python"
    own = subprocess.run(
        [python, "-c", "import sysconfig; print(sysconfig.get_paths()['purelib'])"], capture_output=True, text=True, check=True
    ).stdout.strip()
    (Path(own) / "below.pth").write_text("\n".join({sysconfig.get_paths()["purelib"], sysconfig.get_paths()["platlib"]}) + "\n")
    install = [sys.executable, "-m", "pip", "--python", str(python), "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    subprocess.run(install, check=True)
    return folder / "bin"


def run(programs: Path, folder: Path, program: str, *arguments: object) -> str:
    """Run a program of the environment in a folder, with nothing of the checkout in what it inherits."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NETFLIPS"))}
    command = [str(programs / program), *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_no_checkout_is_beside_it(programs: Path, tmp_path: Path) -> None:
    code = f"import sys, json, {', '.join(PACKAGES)}; print(json.dumps([[p.__file__ for p in ({', '.join(PACKAGES)})], sys.path]))"
    files, path = json.loads(run(programs, tmp_path, "python", "-P", "-c", code))
    assert all(Path(file).is_relative_to(programs.parent) for file in files)
    assert str(ROOT) not in path
    assert all((Path(file).parent / "py.typed").is_file() for file in files)


def test_the_ground_floor_finds_installed_stages_and_bundle(programs: Path, tmp_path: Path) -> None:
    code = "from avcore.checkpoints.stages import shipped_bundle, stages; print(len(stages()), shipped_bundle())"
    count, folder = run(programs, tmp_path, "python", "-P", "-c", code).split()
    assert int(count) == len(STAGES)
    assert (Path(folder) / "bundle.json").is_file()
    assert Path(folder).is_relative_to(programs.parent)


def test_the_page_and_its_example_are_in_it(programs: Path, tmp_path: Path) -> None:
    code = "from importlib.resources import files; page = files('netflips.serve'); " + (
        "print(all((page / name).is_file() for name in ('example.mp4', 'page/app.js', 'page/vendor/regions.js')))"
    )
    assert run(programs, tmp_path, "python", "-P", "-c", code) == "True\n"


def test_pip_alone_can_install_what_it_asks_for(wheel: Path) -> None:
    names = {name.lower().replace("_", "-") for name, _ in _requirements(wheel)}
    assert {name for name in names if "opencv" in name} == {"opencv-contrib-python-headless"}
    # The first asks for a second OpenCV, which needs libGL; the second for a package that must be compiled.
    assert not names & {"mediapipe", "resemblyzer", "webrtcvad", "librosa"}


def test_what_only_training_needs_is_an_extra(wheel: Path) -> None:
    training = {"accelerate", "hydra-core", "omegaconf", "sacrebleu", "tensorboard"}
    asked = _requirements(wheel)
    assert training & {name for name, extra in asked if not extra} == set()
    assert {name for name, extra in asked if extra == "train"} == training


def _requirements(wheel: Path) -> list[tuple[str, str]]:
    """Names of packages that the wheel asks for, each with its extra or ""."""
    with zipfile.ZipFile(wheel) as content:
        (metadata,) = (name for name in content.namelist() if name.endswith(".dist-info/METADATA"))
        lines = content.read(metadata).decode()
    return re.findall(r"^Requires-Dist: ([\w.-]+)[^;\n]*(?:; extra == [\"'](\w+)[\"'])?$", lines, re.MULTILINE)


def test_the_demo_clip_is_dubbed(programs: Path, tmp_path: Path) -> None:
    """By the clip, the portrait and the models that are inside."""
    run(programs, tmp_path, "netflips", "demo", "--cpu")
    out = tmp_path / "outputs" / "demo"
    assert probe(out / "clip_ko.mp4").comment.startswith("synthetic: NetfLips")
    assert "This video is synthetic." in (out / "report.html").read_text(encoding="utf-8")


def test_pip_installs_it_with_all_that_it_asks_for(wheel: Path, tmp_path: Path) -> None:
    """Without the lock, as docs/install.md says: the newest packages that fit, some gigabytes."""
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "venv")], check=True)
    programs = tmp_path / "venv" / "bin"
    done = subprocess.run([programs / "pip", "install", "--quiet", str(wheel)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "dub" in run(programs, tmp_path, "netflips", "--help")
    run(programs, tmp_path, "python", "-P", "-c", f"import {', '.join(PACKAGES)}")
    run(programs, tmp_path, "netflips", "demo", "--cpu")
    assert probe(tmp_path / "outputs" / "demo" / "clip_ko.mp4").comment.startswith("synthetic: NetfLips")


def test_a_corpus_is_prepared(programs: Path, tmp_path: Path) -> None:
    write_zeroth(tmp_path / "zeroth", per_speaker=1)
    run(programs, tmp_path, "netflips", "prepare", "zeroth", "--data-root", "zeroth", "--out-dir", "data", "--workers", 1)
    assert len((tmp_path / "data" / "manifest.jsonl").read_text().splitlines()) == 3


def test_a_training_starts(programs: Path, tmp_path: Path) -> None:
    sing_corpus(tmp_path / "tones", utterances=12)
    run(
        programs, tmp_path, "python", "-m", "unit2av.train_unit2a", "--config-name", "unit2av/unit2a_debug", "run_dir=run",
        "data.train=tones/manifest.jsonl", "data.units=tones/units.jsonl", "loop.max_steps=2", "loop.num_workers=0",
    )  # fmt: skip
    assert (tmp_path / "run" / "checkpoints" / "last.pt").is_file()


def test_other_commands_are_there(programs: Path, tmp_path: Path) -> None:
    code = """
from av2unit import train
from avcore.data.prepare import kox, video
for module in (kox, video, train):
    try:
        module.main(["--help"])
    except SystemExit:
        pass
"""
    assert run(programs, tmp_path, "python", "-P", "-c", code).count("usage:") == 3

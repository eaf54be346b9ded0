"""The project itself: files that must agree, and what must never be in the repository."""

import json
import re
import subprocess
import tomllib
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from avcore.checkpoints.layouts import without_places
from avcore.texts import parse_yaml
from netflips.cli import COMMANDS, parser_of
from tests.mutants import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def _names(lines: list[str]) -> set[str]:
    return {
        re.split(r"[=<>!~; \[(]", line)[0].lower().replace("_", "-").replace(".", "-")
        for line in lines
        if line and line[0].isalnum()
    }


def test_requirements_agree_with_the_project() -> None:
    lines = (ROOT / "requirements.txt").read_text().splitlines()
    asked = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["train"]]
    assert [line for line in lines if not line.startswith("#")] == asked


def test_the_lock_pins_everything_that_is_asked_for() -> None:
    lines = [line for lock in (ROOT / "requirements").glob("*.lock") for line in lock.read_text().splitlines()]
    assert all("==" in line and " --hash=sha256:" in line for line in lines if line and not line.startswith("#"))
    compiled = {"pesq"}  # there is no wheel of it: a fresh machine may have no compiler
    asked = [*PROJECT["dependencies"], *(line for extra in PROJECT["optional-dependencies"].values() for line in extra)]
    assert _names(asked) - compiled <= _names(lines)
    assert {name for name in _names(lines) if "opencv" in name} == {"opencv-contrib-python-headless"}


def _needed(names: set[str]) -> set[str]:
    """Packages with all that they ask for in turn on this machine, without their extras."""
    found: set[str] = set()
    ahead = set(names)
    while ahead:
        name = ahead.pop()
        found.add(name)
        try:
            asked = requires(name) or []
        except PackageNotFoundError:
            continue
        here = (one for one in map(Requirement, asked) if one.marker is None or one.marker.evaluate({"extra": ""}))
        ahead |= _names([one.name for one in here]) - found
    return found


def test_a_dub_page_and_way_over_text_are_installed_with_nothing_else() -> None:
    extras = PROJECT["optional-dependencies"]
    parts = ("web", "asr", "subtitles", "provenance", "speech")
    asked = [*PROJECT["dependencies"], *(line for name in parts for line in extras[name])]
    dub, gpu, dev = (_names((ROOT / "requirements" / f"{name}.lock").read_text().splitlines()) for name in ("dub", "gpu", "dev"))
    assert _needed(_names(asked)) - dub - gpu == {"onnxruntime"}  # of faster-whisper, for a detector of speech that is not used
    assert (dub | gpu) & dev == set()


def test_no_dependency_is_pinned_to_one_version() -> None:
    """As in any library: the tested versions are in the locks."""
    assert [line for line in PROJECT["dependencies"] if "==" in line] == []


def test_ci_runs_the_tests_without_uninstalled_programs() -> None:
    text = (ROOT / ".ci" / "run").read_text()
    (allowed,) = re.findall(r'^programs="(.*?)"', text, re.MULTILINE | re.DOTALL)
    assert not {"espeak-ng", "espeak", "flite", "ffmpeg", "ffprobe", "sox"} & set(allowed.split())
    assert re.search(r"^PATH=\$only make unit", text, re.MULTILINE)


def test_the_workflow_runs_make_test_on_each_python_of_the_project() -> None:
    """As GitHub reads it: `on` is true in YAML. Actions are named by commits, since tags move."""
    workflow = parse_yaml((ROOT / ".github" / "workflows" / "test.yml").read_text())
    assert set(workflow[True]) == {"push", "pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    pythons = job["strategy"]["matrix"]["python"]
    every = [f"3.{minor}" for minor in range(9, 20) if Version(f"3.{minor}") in SpecifierSet(PROJECT["requires-python"])]
    assert pythons == every
    checkout, python, make = job["steps"]
    for step, name in ((checkout, "checkout"), (python, "setup-python")):
        assert re.fullmatch(rf"actions/{name}@[0-9a-f]{{40}}", step["uses"])
    assert python["with"]["python-version"] == "${{ matrix.python }}"
    assert list(ROOT.glob(python["with"]["cache-dependency-path"]))
    command = make["run"].replace("${{ matrix.python }}", pythons[0])
    assert command == f"make test PYTHON=python{pythons[0]}"
    done = subprocess.run([*command.split(), "-n"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, " pytest " in done.stdout) == (0, True), done.stderr


def test_the_conda_environment_has_the_pythons_of_the_project() -> None:
    assert f"python{PROJECT['requires-python']}" in (ROOT / "environment.yml").read_text()


def _steps(word: str) -> list[str]:
    return re.findall(rf"^{word} (.*)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)


def test_the_image_has_all_packages_and_the_torch_of_the_lock() -> None:
    copied = {name for step in _steps("COPY") for name in step.split()[:-1]}
    sources = {one.name for one in ROOT.iterdir() if (one / "py.typed").is_file()} | {"pyproject.toml", "README.md", "docs/clip"}
    assert sources <= copied
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in copied} <= set(ignored)
    (torch,) = (arg.partition("=")[2] for arg in _steps("ARG") if arg.startswith("TORCH="))
    assert f"\n{torch} " in (ROOT / "requirements" / "dub.lock").read_text()


def test_the_image_serves_the_page_as_no_root_and_takes_its_flags() -> None:
    assert _steps("USER") == ["netflips"]
    (command,) = (json.loads(step) for step in _steps("CMD"))
    assert parser_of(command[0]).parse_args(command[1:]).host == "0.0.0.0"
    card = re.findall(r"^---\n(.*?)^---$", (ROOT / "docs" / "space.md").read_text(), re.MULTILINE | re.DOTALL)
    assert [(parse_yaml(one)["sdk"], str(parse_yaml(one)["app_port"])) for one in card] == [("docker", _steps("EXPOSE")[0])]


READMES = ("README.md", "docs/ko/README.md")
_SHAPES = {"#+ ": "heading", r"\| ": "row", "- ": "item", r"!\[": "image", "```": "block"}


def _readme(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def _blocks(name: str) -> list[list[str]]:
    """The lines of a README's code blocks, without comments."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", _readme(name), re.MULTILINE | re.DOTALL)
    return [[re.sub(r"\s*#.*", "", line) for line in block.splitlines()] for block in blocks]


def _shape(name: str) -> list[str]:
    """What each line of a README begins: a heading of some level, a row of a table, an item, an image or a block."""
    starts = re.compile("|".join(f"(?P<{name}>{start})" for start, name in _SHAPES.items()))
    matches = [starts.match(line) for line in _readme(name).splitlines()]
    return [f"{match.lastgroup} {match[0]}" for match in matches if match is not None]


def test_both_readmes_have_the_same_sections_images_and_commands() -> None:
    for part in (_shape, _blocks):
        english, korean = map(part, READMES)
        assert english == korean
    assert all("utut_sts_ft.pt" in _readme(name)[:4500] for name in READMES)


@pytest.mark.parametrize("pattern", [r"--[a-z][a-z0-9-]+", r"`[\w./-]+\.(?:pt|py|json|html|srt|npy)`", r"(?:CVPR|ICLR) \d+"])
def test_both_readmes_name_the_same_flags_and_files(pattern: str) -> None:
    english, korean = (set(re.findall(pattern, _readme(name))) for name in READMES)
    assert english == korean


def test_links_of_both_readmes_lead_to_the_same_files() -> None:
    def places(name: str) -> set[Path]:
        links = re.findall(r"\]\((?!#|https:)([^)#]+)", _readme(name))
        return {((ROOT / name).parent / link).resolve() for link in links} - {ROOT / readme for readme in READMES}

    english, korean = map(places, READMES)
    assert english == korean
    assert all(place.exists() for place in english)


def _tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).exists()]


def test_all_pages_say_the_same_size_of_an_installation() -> None:
    """`docs/install.md` has both sizes; other pages repeat or round them."""

    def sizes(page: str, pattern: str) -> list[str]:
        return re.findall(pattern, (ROOT / page).read_text(encoding="utf-8"))

    (measured,) = re.findall(r"They take ([\d.]+) GB and ([\d.]+) GB", (ROOT / "docs/install.md").read_text(encoding="utf-8"))
    install, env = map(float, measured)
    assert sizes("docs/ko/install.md", r"\(([\d.]+) GB\)") == [str(install), str(env)]
    assert sizes("README.md", r"about (\d+) GB in `.venv`") == [f"{install:.0f}"]
    assert sizes("docs/ko/README.md", r"`.venv`에 약 (\d+) GB") == [f"{install:.0f}"]
    assert all(
        "1.9 GB" in (ROOT / page).read_text() for page in ("docs/install.md", "docs/ko/install.md", "docs/space.md", "Makefile")
    )
    assert sizes("docs/first_dub.md", r"\[1\. install\].*\| (\d+) GB \|") == [f"{env:.0f}"]
    left_out = sizes("docs/install.md", r"starts without, ([\d.]+) GB") + sizes("Makefile", r"left out \(([\d.]+) GB\)")
    assert (len(left_out), len(set(left_out))) == (2, 1)


def test_no_work_folder_of_a_dub_is_part_of_it() -> None:
    assert not [path for path in _tracked() if any(part.endswith(".work") for part in path.parts)]


def test_the_repository_stays_small() -> None:
    assert sum(path.stat().st_size for path in _tracked()) < 80 * 2**20


OTHERS_FLAGS = {
    "curl": {"--data-binary"},
    "docker": {"--build-arg", "--read-only", "--rm", "--tmpfs", "--user"},
    "pip": {"--no-build-isolation", "--no-deps", "--require-hashes"},
    "tensorboard": {"--logdir"},
    "torchrun": {"--nnodes", "--node_rank", "--rdzv_endpoint"},
    "fairseq-train": {
        *("--user-dir", "--task", "--langs", "--source-lang", "--target-lang", "--prepend-bos", "--left-pad-source", "--arch"),
        *("--criterion", "--optimizer", "--lr", "--max-tokens", "--max-update", "--save-dir"),
    },
    "sbatch": {"--array", "--gpus-per-node", "--nodes", "--requeue", "--signal", "--wait"},
    "the recipes": {"--prepare-launch", "--extract-launch", "--train-launch", "--score-launch"},
    "ct2-transformers-converter": {"--model", "--output_dir", "--copy_files", "--quantization"},
    "melo": {"--file"},
    "VERSA": {"--io", "--output_file"},
    "pytest-cov": {"--cov", "--cov-report"},
    "LatentSync": {
        "--unet_config_path",
        "--inference_ckpt_path",
        "--inference_steps",
        "--guidance_scale",
        "--enable_deepcache",
        "--video_path",
        "--audio_path",
        "--video_out_path",
    },
    "MuseTalk": {"--inference_config", "--result_dir", "--version", "--unet_model_path", "--unet_config"},
    "KeySync": {
        "--file_list",
        "--file_list_audio",
        "--output_folder",
        "--compute_until",
        "--keyframes_ckpt",
        "--interpolation_ckpt",
    },
    "a synthesiser that one has": {"--text-file", "--voice-of", "--out"},
}
"""Flags of other programs that the pages name."""


def test_every_flag_that_a_page_names_is_one() -> None:
    """In its sentences and tables too, whose commands nothing runs. Some commands make flags of the names of settings."""
    code = "\n".join(path.read_text() for path in _tracked() if path.suffix == ".py" and "tests" not in path.parts)
    known = set(re.findall(r"--[a-z][\w-]+", code)) | set().union(*OTHERS_FLAGS.values())
    known |= {flag for name in COMMANDS for flag in parser_of(name)._option_string_actions}
    fields = re.findall(r'^    (?:"(\w+)": "|(\w+): .* = flag\()', code, re.MULTILINE)
    known |= {f"--{(setting or field).replace('_', '-')}" for setting, field in fields}
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
    named = {(page.name, flag) for page in pages for flag in re.findall(r"(?<![\w-])--[a-z][\w-]*\w\b(?!-)", page.read_text())}
    assert [one for one in sorted(named) if one[1] not in known] == []


@pytest.mark.parametrize("pattern", [r"/home/\w+/", r"/root/", r"except:", r"weights_only=False", r"(?<![.\w])eval\("])
def test_what_never_goes_in(pattern: str) -> None:
    code = (path for path in _tracked() if path.suffix == ".py" and "tests" not in path.parts)
    assert [str(path.relative_to(ROOT)) for path in code if re.search(pattern, path.read_text())] == []


def test_shipped_models_tell_of_nobodys_folders() -> None:
    shipped = [path for path in _tracked() if path.suffix == ".json" and path.is_relative_to(ROOT / "netflips" / "bundle")]
    assert shipped
    for path in shipped:
        content = json.loads(path.read_text(encoding="utf-8"))
        assert without_places(content) == content, path


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda one: one.module)
def test_a_planted_fault_has_its_place_and_its_tests(mutant: Mutant) -> None:
    assert mutant.old in (ROOT / mutant.module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
    for name in mutant.tests.split():
        path, _, function = name.partition("::")
        text = (ROOT / "tests" / path).read_text(encoding="utf-8")
        assert not function or f"def {function.partition('[')[0].rpartition('::')[2]}(" in text

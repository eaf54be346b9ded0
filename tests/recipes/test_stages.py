"""A stage of a recipe runs again where its words, its inputs or its settings have changed, and only there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.pages import ROOT

_RECIPE = """
set -eu
cd {root}
. recipes/stages.sh
exp={exp}
source=first
number=1
read_options "$@"
run_stage 1 "the pairs" cp "$source.txt" --out "$exp/pairs.txt"
launch=$train_launch run_stage 2 "the training" python -m stand_in "data_dir=$exp/pairs.txt" "run_dir=$exp/run_$number" seed=$number
made=$exp/score_$number run_stage 3 "the score" cp "$exp/run_$number" "$exp/score_$number"
"""
_STAND_IN = """
import pathlib, sys
data, out, seed = (word.partition("=")[2] for word in sys.argv[1:])
assert not pathlib.Path(out + ".kill").exists(), "killed"
pathlib.Path(out).write_text(pathlib.Path(data).read_text() + seed)
"""


class Recipe:
    """A recipe of three stages: pairs are made of a source, trained on, and scored."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "exp").mkdir()
        (folder / "bin").mkdir()
        (folder / "bin" / "cp").write_text('#!/bin/bash\n[[ $2 == --out ]] && exec /bin/cp "$1" "$3"\nexec /bin/cp "$@"\n')
        (folder / "bin" / "cp").chmod(0o755)
        (folder / "bin" / "python").symlink_to(sys.executable)
        (folder / "stand_in.py").write_text(_STAND_IN)
        (folder / "recipe.sh").write_text(_RECIPE.format(root=ROOT, exp=folder / "exp"))
        self.source("first", "a")

    def source(self, name: str, text: str) -> None:
        (self.folder / f"{name}.txt").write_text(text)

    def run(self, *options: str, code: int = 0, source: str = "first") -> list[str]:
        """Run it; returns what it says of its stages, without the commands."""
        env = {**os.environ, "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}", "PYTHONPATH": str(self.folder)}
        line = ["bash", str(self.folder / "recipe.sh"), "--source", str(self.folder / source), *options]
        done = subprocess.run(line, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        return [text for text in done.stdout.splitlines() if text.startswith("stage")]

    def made(self, name: str) -> str:
        return (self.folder / "exp" / name).read_text()


@pytest.fixture
def recipe(tmp_path: Path) -> Recipe:
    return Recipe(tmp_path)


_WHATS = ("stage 1: the pairs", "stage 2: the training", "stage 3: the score")
_DONE = [f"{what}: done before" for what in _WHATS]


def test_what_was_done_with_the_same_content_is_passed_over(recipe: Recipe) -> None:
    assert recipe.run() == list(_WHATS)
    recipe.source("first", "a")  # written anew, with the same content
    assert recipe.run() == _DONE
    recipe.source("first", "b")
    pairs = recipe.folder / "exp" / "pairs.txt"
    run, source = recipe.folder / "exp" / "run_1", recipe.folder / "first.txt"
    changed = [f"{what} ({path} has changed)" for what, path in zip(_WHATS, (source, pairs, run), strict=True)]
    assert (recipe.run(), recipe.made("score_1")) == (changed, "b1")
    recipe.source("second", "c")
    assert recipe.run(source="second")[0] == f"{_WHATS[0]} (other words than before)"
    assert recipe.made("score_1") == "c1"


def test_a_second_training_beside_the_first_does_not_undo_it(recipe: Recipe) -> None:
    recipe.run()
    assert recipe.run("--number", "2") == [_DONE[0], *_WHATS[1:]]
    assert (recipe.run(), recipe.run("--number", "2")) == (_DONE, _DONE)


def test_what_was_broken_off_or_taken_away_is_made_again(recipe: Recipe) -> None:
    recipe.run()
    recipe.source("second", "b")
    kill = recipe.folder / "exp" / "run_1.kill"
    kill.write_text("")
    recipe.run(source="second", code=1)
    kill.unlink()
    assert [line for line in recipe.run() if not line.endswith("done before")], "the first source's pairs are not there any more"
    assert recipe.made("score_1") == "a1"
    (recipe.folder / "exp" / "score_1").unlink()
    assert recipe.run()[2] == f"{_WHATS[2]} ({recipe.folder / 'exp' / 'score_1'} is gone)"


def test_a_launcher_stands_before_a_command_and_for_python(recipe: Recipe) -> None:
    (recipe.folder / "bin" / "torchrun").write_text('#!/bin/bash\necho "$@" >"$0.calls"\nshift 2\nexec python "$@"\n')
    (recipe.folder / "bin" / "torchrun").chmod(0o755)
    recipe.run("--train-launch", "torchrun --nproc_per_node 8")
    called = (recipe.folder / "bin" / "torchrun.calls").read_text().split()
    assert called[:4] == ["--nproc_per_node", "8", "-m", "stand_in"]
    assert recipe.run() == _DONE, "where it ran does not matter"

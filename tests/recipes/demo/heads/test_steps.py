"""Steps: in the order of their needs, side by side, never twice; what fails is named and stops the others."""

import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest

from avcore.errors import InputError
from avcore.train.entry import CONFIG_FOLDER
from recipes.demo.material.phones import Phones
from recipes.demo.recipe.recipe import about, recipe_steps
from recipes.demo.recipe.steps import Step, StepRunner
from recipes.demo.voices.cast import DEMO, SHIPPED
from tests.refusal import refused


def note(path: Path, word: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"open({str(path)!r}, 'a').write({word!r})")


def test_steps_are_run_once_and_in_order(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    first, second = Step("a", (note(seen, "a"), note(seen, "A"))), Step("b", (note(seen, "b"),))
    steps = [Step("c", (note(seen, "c"),), ("a", "b")), first, second]
    runner = StepRunner(tmp_path)
    runner.run(steps, 1)
    assert seen.read_text() == "aAbc"
    runner.run(steps, 2)
    assert seen.read_text() == "aAbc"
    record = runner.record("a")
    assert record["seconds"] >= 0
    assert len(record["commands"]) == 2
    kept = (tmp_path / "steps.jsonl").read_text().splitlines(keepends=True)
    (tmp_path / "steps.jsonl").write_text("".join(line if '"c"' not in line else line[:30] for line in kept))
    runner.run(steps, 2)
    assert seen.read_text() == "aAbcc"


def test_a_step_that_fails_is_named_and_stops_the_others(tmp_path: Path) -> None:
    sleeper = (sys.executable, "-c", "import time; time.sleep(600)")
    steps = [Step("long", (sleeper,)), Step("bad", ((sys.executable, "-c", "raise SystemExit(3)"),)), Step("after", (), ("bad",))]
    runner = StepRunner(tmp_path)
    refused(InputError, "the step bad failed", runner.run, steps, 2)
    assert not [name for name in ("long", "bad", "after") if runner.record(name)]


def test_seconds_of_a_step_are_those_of_all_its_runs(tmp_path: Path) -> None:
    once = f"import os, time; time.sleep(0.3); at = {str(tmp_path / 'once')!r}; "
    once += "new = not os.path.exists(at); open(at, 'w'); exit(new)"
    steps = [Step("slow", ((sys.executable, "-c", once),))]
    refused(InputError, "the step slow failed", StepRunner(tmp_path).run, steps, 1)
    runner = StepRunner(tmp_path)
    runner.run(steps, 1)
    assert runner.record("slow")["seconds"] >= 0.6


def test_when_time_is_up_what_runs_is_stopped_and_a_later_run_goes_on(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    sleeper = (sys.executable, "-c", f"import os, time; os.path.exists({str(seen)!r}) or time.sleep(600)")
    steps, runner = [Step("long", (sleeper, note(seen, "x")))], StepRunner(tmp_path)
    assert not runner.run(steps, 1, minutes=0.01)
    assert runner.record("long") is None
    seen.write_text("")
    assert runner.run(steps, 1, minutes=5)
    assert seen.read_text() == "x"


@pytest.mark.parametrize("people", [DEMO, SHIPPED])
def test_the_recipe_can_be_run_from_its_start_to_its_end(tmp_path: Path, people: str) -> None:
    steps = recipe_steps(tmp_path, 0, 10, ["lips:loop.max_minutes=1"], people)
    done: set[str] = set()
    while left := [step for step in steps if step.name not in done]:
        ready = [step.name for step in left if done.issuperset(step.needs)]
        assert ready
        done.update(ready)
    words = [pair for step in steps for command in step.commands for pair in pairwise(command)]
    named = {value for flag, value in words if flag == "--config-name"}
    assert {name.partition("/")[0] for name in named} == {people}
    assert all((CONFIG_FOLDER / f"{name}.yaml").is_file() for name in named)
    assert next(step for step in steps if step.name == "lips").commands[0][-1] == "loop.max_minutes=1"
    # a voice of 24 kHz needs no recordings of 16 kHz
    trained_on = {Path(value.partition("=")[2]).stem for _, value in words if value.startswith("data.train=")}
    assert ("vocoder_en_lips" in trained_on) == (people == SHIPPED)
    (tmp_path / "data").mkdir()
    Phones(("_:", "a", "m"), {}).write(tmp_path / "data" / "phones.json")
    said = about(StepRunner(tmp_path), steps, 0, tmp_path, people=people)
    assert said["phones"] == ["_:", "a", "m"]
    made = said["made"]
    names = "unit_encoder unit2unit_labels unit2unit vocoder lips lips_more unit2text text2unit vocoder_en vocoder_en_lips"
    assert set(made["configs"]) == {f"{people}/{name}" for name in names.split()}


@pytest.mark.parametrize("is_polite", [False, True])
def test_sigterm_stops_what_runs_and_takes_nothing_for_done(tmp_path: Path, is_polite: bool) -> None:
    """is_polite: what runs saves, ends, and says that all went well."""
    own = tmp_path / "own"
    ends_well = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " if is_polite else ""
    sleeper = f"{ends_well}import os, pathlib, time; pathlib.Path({str(own)!r}).write_text(str(os.getpid())); time.sleep(600)"
    commands = f"((sys.executable, '-c', {sleeper!r}), (sys.executable, '-c', {note(tmp_path / 'next', 'x')[2]!r}))"
    steps = (
        "import sys; from pathlib import Path; from recipes.demo.recipe.steps import Step, StepRunner; "
        f"StepRunner(Path({str(tmp_path)!r})).run([Step('long', {commands})], 2)"
    )
    runner = subprocess.Popen([sys.executable, "-c", steps], stderr=subprocess.DEVNULL)
    while not own.is_file() or not own.read_text():
        assert runner.poll() is None
        time.sleep(0.05)
    runner.send_signal(signal.SIGTERM)
    assert runner.wait(60) != 0
    refused(ProcessLookupError, "", os.kill, int(own.read_text()), 0)
    assert not (tmp_path / "next").exists()
    assert StepRunner(tmp_path).record("long") is None

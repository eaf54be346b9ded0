"""Faults put in one at a time, each beside the tests that should fail: `python -m tests.mutants [NUMBER...]`, run by hand.

A fault exists only in the process that tests it: its module is compiled from changed source, and no file is touched. What survives
is listed; the exit code is 1 where more than two do.
"""

import argparse
import importlib.util
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
ALLOWED = 2


class Mutant(NamedTuple):
    """module: of the fault; old: text that stands there, the first of several; tests: as pytest takes them, below tests/."""

    module: str
    old: str
    new: str
    tests: str


_LOOP, _PARTS = "avtrain/test_loop.py::test_", "avtrain/test_parts.py"
_CONTRACT = "trainers/test_contract.py::test_"
_OPPOSED = f"{_CONTRACT}discriminators_take_what_is_real_for_real"
_CLIPS, _VOICE, _FACES = "av2unit/test_training_data.py", "unit2av/test_unit2a_data.py", "unit2av/test_lip_data.py"
_LOSSES, _NOISE = "unit2av/test_vocoder_losses.py", "unit2unit/test_utut_noise.py"
_WAV2LIP = "parity/test_wav2lip.py::test_losses_of_training_match"
_VALID = "unit2unit/test_utut_validation.py"
_UPDATES = f"{_VALID}::test_an_update_has_the_same_tokens_in_any_number_of_processes"
MUTANTS = (
    # the loop: clipping, zeroing, schedules, resume, the best
    Mutant("avtrain.loop", "self._task.optim[name].clip_norm or math.inf", "math.inf",
        f"{_LOOP}gradients_are_no_longer_than_the_bound"),
    Mutant("avtrain.loop", "        restore_random_state(saved)\n", "",
        f"{_LOOP}a_validation_leaves_the_randomness_of_training_alone"),
    Mutant("avtrain.loop", "        optimizer.zero_grad()\n", "", f"{_LOOP}a_resumed_run_gives_the_losses_of_an_unbroken_one"),
    Mutant("avtrain.loop", "self._at.epoch, self._at.batch = batches.next_position()", "batches.next_position()",
        f"{_LOOP}a_resumed_run_gives_the_losses_of_an_unbroken_one"),
    Mutant("avtrain.loop", "self._window.restore(states[rank]", "(lambda _: None)(states[rank]", f"{_LOOP}a_killed_run_goes_on"),
    Mutant("avtrain.loop", "self._stop_signal = number", "pass", f"{_LOOP}a_signal_is_noted_whatever_is_being_written"),
    Mutant("avtrain.loop", "return None if result.stop_signal is None else _STOPPED + result.stop_signal", "return None",
        f"{_CONTRACT}a_run_that_was_stopped_goes_on_to_the_same_bits[speller]"),
    Mutant("avtrain.logs", "value > self.best if is_highest else value < self.best", "value > self.best",
        f"{_LOOP}the_newest_numbered_checkpoints_stay_and_the_best"),
    Mutant("avtrain.optim", "parameter.ndim > _NO_DECAY_DIMS", "parameter.ndim > 0", _PARTS),
    Mutant("avtrain.data", "[self._rank : usable : self._world]", "[0 : usable : self._world]", _PARTS),
    Mutant("avtrain.data", "default_rng((seed, *key))", "default_rng((seed, key[1]))", _PARTS),
    Mutant("avtrain.optim", "(step + 1) / config.warmup_steps", "step / config.warmup_steps", f"{_PARTS}::test_schedules"),
    # the unit encoder: heads, masks, weights, noise
    Mutant("av2unit.training.items", "targets = classes.reshape(steps, UNITS_PER_FRAME)",
        "targets = classes.reshape(steps, UNITS_PER_FRAME)[:, ::-1]", _CLIPS),
    Mutant("av2unit.training.items", "audio_mask | video_mask)", "audio_mask)", _CLIPS),
    Mutant("av2unit.training.items", "return _SOUND if is_sound else _LIPS", "return _LIPS if is_sound else _SOUND", _CLIPS),
    Mutant("av2unit.training.task", "(masked, self._loss.masked_weight), (unmasked, self._loss.unmasked_weight)",
        "(unmasked, self._loss.masked_weight), (masked, self._loss.unmasked_weight)", "av2unit/test_training_network.py"),
    Mutant("av2unit.training.task", "return self.model.logits(hidden.float())", "return self.model.logits(hidden.float())[::-1]",
        "av2unit/test_training_network.py::test_what_is_exported_labels_the_clips_it_was_trained_on"),
    Mutant("av2unit.extractor", "total[best_before[step]] - duration_penalty", "total[best_before[step]] + duration_penalty",
        "av2unit/test_inference.py"),
    Mutant("av2unit.training.noise", "10 ** (", "10 ** -(", _CLIPS),
    # the voice: durations, alignment, opponents
    Mutant("unit2av.voice.training.losses", ".to(log_durations.dtype) + 1)", ".to(log_durations.dtype))", _LOSSES),
    Mutant("unit2av.voice.training.losses", "runs.ids[1:-1], runs.durations[1:-1]", "runs.ids[1:], runs.durations[1:]", _LOSSES),
    Mutant("unit2av.voice.training.items", "samples[: units_to_samples(shared)]", "samples[320 : 320 + units_to_samples(shared)]",
        _VOICE),
    Mutant("unit2av.voice.training.task",
        "discriminator_loss(_half(judged, slice(None, len(real))), _half(judged, slice(len(real), None)))",
        "discriminator_loss(_half(judged, slice(len(real), None)), _half(judged, slice(None, len(real))))", f"{_OPPOSED}[voice]"),
    Mutant("unit2av.voice.training.task", "            self._discriminators.requires_grad_(False)\n", "",
        "unit2av/test_train_unit2a.py::test_the_vocoders_update_leaves_nothing_in_the_discriminators"),
    # lips: pictures and units, opponents, colours, the sync loss
    Mutant("unit2av.lip_task", "real, made = engine", "made, real = engine",
        f"{_WAV2LIP} {_OPPOSED}[face] {_OPPOSED}[sound_lips]"),
    Mutant("unit2av.face.training.task", "torch.arange(UNITS_PER_FRAME, device=shown.device)",
        "1 + torch.arange(UNITS_PER_FRAME, device=shown.device)", "unit2av/test_train_unit2v.py"),
    Mutant("unit2av.face.training.sync", "sync_loss(own, is_aligned=True)", "sync_loss(own, is_aligned=False)",
        "unit2av/test_train_sync.py"),
    Mutant("unit2av.lip_task", "[clips[owner] for owner in owners]", "[clips[0] for _ in owners]", _FACES),
    Mutant("unit2av.lip_task", "values[\"quality\"] = self._realness(self._quality(lower_half(drawn)), is_real=True)",
        "values[\"quality\"] = self._realness(self._quality(lower_half(drawn)), is_real=False)", _WAV2LIP),
    Mutant("unit2av.face.model", "faces.flip(-1).permute(0, 3, 1, 2)", "faces.permute(0, 3, 1, 2)", _WAV2LIP),
    # text to units and units to text
    Mutant("text2unit.model", "durations[mask].float().log1p()", "durations[mask].float().log()",
        "text2unit/test_train.py"),
    Mutant("avcore.notes", "say_in(values[", "say_in(ENGLISH or values[", "avcore/test_notes.py"),
    Mutant("unit2text.training.task", "(1 - ctc_weight) * self.attention", "self.attention",
        "parity/test_text_reader.py unit2text/test_training.py"),
    Mutant("unit2text.training.items", "share = (progress - _FADE_FROM)", "share = 1 - (progress - _FADE_FROM)",
        "unit2text/test_training.py::test_units_of_the_sound_fade_out"),
    # the translator: tags, noise, splits, validation, updates
    Mutant("unit2unit.model", "[END_OF_UNITS, self.tag(language)]", "[self.tag(language), END_OF_UNITS]",
        "unit2unit/test_utut_data.py unit2unit/test_translator.py"),
    Mutant("unit2unit.training.noise", "fed = np.roll(target, 1)", "fed = np.roll(target, -1)", _NOISE),
    Mutant("unit2unit.training.validation", "sum(END_OF_UNITS not in tokens[-2:] for", "sum(END_OF_UNITS in tokens[-2:] for",
        _VALID),
    Mutant("unit2unit.training.machine", "share = max(fitting, longest), asked // processes",
        "share = max(fitting, longest), asked", _UPDATES),
    # what all share: units, notes, exit codes
    Mutant("avdata.corpus", "if key(one) not in chosen]", "]", _FACES),
    Mutant("avcore.command", "        return error.exit_code\n", "        return 0\n", "avcore/test_command.py"),
)  # fmt: skip


def changed(module: str, old: str, new: str) -> None:
    """Import a module as if its source had another text in place of an old one."""
    spec = importlib.util.find_spec(module)
    source = Path(spec.origin).read_text(encoding="utf-8")
    assert old in source, f"{module}: the text is not there: {old}"
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[module] = loaded
    exec(compile(source.replace(old, new, 1), spec.origin, "exec"), loaded.__dict__)
    parent, _, name = module.rpartition(".")
    setattr(sys.modules[parent], name, loaded)


def outcome(mutant: Mutant | None, tests: list[str]) -> int:
    """Pytest's exit code, 1 = a test fails, in a process of its own in which libraries are loaded already."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    import pytest

    quiet = os.open(os.devnull, os.O_WRONLY)
    errors = os.dup(2)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    try:
        if mutant is not None:
            changed(*mutant[:3])
        code = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *(f"{ROOT}/tests/{test}" for test in tests)]))
    except AssertionError as error:
        os.write(errors, f"{error}\n".encode())
        code = 3
    os._exit(code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Put faults in; returns whether too many survived."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=main.__doc__)
    parser.add_argument("number", type=int, nargs="*", help="of the faults (default: all)")
    numbers = parser.parse_args(arguments).number
    import accelerate  # noqa: F401  # what takes seconds to load is loaded once
    import av  # noqa: F401
    import scipy.signal  # noqa: F401
    import torch

    torch.set_num_threads(1)
    chosen = numbers or range(len(MUTANTS))
    survived = []
    for number in chosen:
        mutant = MUTANTS[number]
        code = outcome(mutant, mutant.tests.split())
        word = {0: "SURVIVED", 1: "caught"}.get(code, f"pytest ended with {code}")
        survived += [number] * (code != 1)
        print(f"{number:3} {word:9} {mutant.module}: {mutant.old.strip()[:70]}", flush=True)
    tests = sorted({test for number in chosen for test in MUTANTS[number].tests.split()})
    if outcome(None, tests):
        print("these tests fail without a fault, too: nothing is said by what they caught")
        return 1
    print(f"{len(chosen) - len(survived)} of {len(chosen)} caught")
    return int(len(survived) > ALLOWED)


if __name__ == "__main__":
    sys.exit(main())

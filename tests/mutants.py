"""Faults put in one at a time, each beside the tests that should fail: `python -m tests.mutants [NUMBER...]`, run by hand.

A fault exists only in the process that tests it: its module is compiled from changed source, and no file is touched. What survives
is listed; the exit code is 1 where more than two do.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
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


_LOOP, _PARTS = "avcore/train/test_loop.py::test_", "avcore/train/test_parts.py"
_CONTRACT = "trainers/test_contract.py::test_"
_OPPOSED = f"{_CONTRACT}discriminators_take_what_is_real_for_real"
_CLIPS, _VOICE, _FACES = "av2unit/test_training_data.py", "unit2av/test_unit2a_data.py", "unit2av/test_lip_data.py"
_LOSSES, _NOISE = "unit2av/test_vocoder_losses.py", "unit2unit/test_utut_noise.py"
_WAV2LIP = "parity/test_wav2lip.py::test_losses_of_training_match"
_VALID = "unit2unit/test_utut_validation.py"
_TIMING, _CANDIDATES = "netflips/dubbing/test_timing.py::test_", "netflips/dubbing/test_candidates.py::test_"
_KEPT = "netflips/dubbing/test_kept.py"
_MIXED = "netflips/dubbing/test_parts.py::test_"
_CLOCK, _SOURCE, _HEARD = "avcore/test_media_clock.py", "avcore/test_media_source.py::test_", "avcore/test_media_sound.py::test_"
_TRACKS, _FOLLOWED, _BOXES = "avcore/test_sound_tracks.py", "avcore/faces/test_tracker.py::test_", "avcore/faces/test_boxes.py"
_PASTED, _ALIGNED = "avcore/faces/test_crop_and_paste.py", "avcore/faces/test_align.py"
_CUES, _SCRIPT = "netflips/subtitles/test_subtitles.py::test_", "netflips/script/test_script.py"
_PIECES = "avcore/data/prepare/test_pieces.py::test_"
_UPDATES = f"{_VALID}::test_an_update_has_the_same_tokens_in_any_number_of_processes"
MUTANTS = (
    # the loop: clipping, zeroing, schedules, resume, the best
    Mutant("avcore.train.loop", "self._task.optim[name].clip_norm or math.inf", "math.inf",
        f"{_LOOP}gradients_are_no_longer_than_the_bound"),
    Mutant("avcore.train.loop", "        restore_random_state(saved)\n", "",
        f"{_LOOP}a_validation_leaves_the_randomness_of_training_alone"),
    Mutant("avcore.train.loop", "        optimizer.zero_grad()\n", "", f"{_LOOP}a_resumed_run_gives_the_losses_of_an_unbroken_one"),
    Mutant("avcore.train.loop", "self._at.epoch, self._at.batch = batches.next_position()", "batches.next_position()",
        f"{_LOOP}a_resumed_run_gives_the_losses_of_an_unbroken_one"),
    Mutant("avcore.train.loop", "self._window.restore(states[rank]", "(lambda _: None)(states[rank]",
        f"{_LOOP}a_killed_run_goes_on"),
    Mutant("avcore.train.loop", "self._stop_signal = number", "pass", f"{_LOOP}a_signal_is_noted_whatever_is_being_written"),
    Mutant("avcore.train.loop", "return None if result.stop_signal is None else _STOPPED + result.stop_signal", "return None",
        f"{_CONTRACT}a_run_that_was_stopped_goes_on_to_the_same_bits[text-to-unit]"),
    Mutant("avcore.train.logs", "value > self.best if is_highest else value < self.best", "value > self.best",
        f"{_LOOP}the_newest_numbered_checkpoints_stay_and_the_best"),
    Mutant("avcore.train.optim", "parameter.ndim > _NO_DECAY_DIMS", "parameter.ndim > 0", _PARTS),
    Mutant("avcore.train.data", "[self._rank : usable : self._world]", "[0 : usable : self._world]", _PARTS),
    Mutant("avcore.train.data", "default_rng((seed, *key))", "default_rng((seed, key[1]))", _PARTS),
    Mutant("avcore.train.optim", "(step + 1) / config.warmup_steps", "step / config.warmup_steps", f"{_PARTS}::test_schedules"),
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
    Mutant("unit2av.voice.training.items", "samples[: shared * size]", "samples[320 : 320 + shared * size]",
        _VOICE),
    Mutant("unit2av.voice.training.task",
        "discriminator_loss(_half(judged, slice(None, len(real))), _half(judged, slice(len(real), None)))",
        "discriminator_loss(_half(judged, slice(len(real), None)), _half(judged, slice(None, len(real))))", f"{_OPPOSED}[voice]"),
    Mutant("unit2av.voice.training.task", "            self._discriminators.requires_grad_(False)\n", "",
        "unit2av/test_train_unit2a.py::test_the_vocoders_update_leaves_nothing_in_the_discriminators"),
    # lips: frames and units, opponents, colours, the sync loss
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
    Mutant("avcore.notes", "gettext_in(values[", "gettext_in(ENGLISH or values[", "avcore/test_notes.py"),
    Mutant("unit2text.training.task", "(1 - ctc_weight) * self.attention", "self.attention",
        "parity/test_unit_to_text.py unit2text/test_training.py"),
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
    # a dub: places, wordings, kept work, the mix, stems, loudness
    Mutant("netflips.dubbing.fit", "slot = max(frame_at(length, UNIT_RATE), 1)", "slot = frame_at(length, UNIT_RATE) + 1",
        f"{_TIMING}an_utterance_gets_the_steps_of_its_place"),
    Mutant("netflips.dubbing.fit", "max(min(round(total * scale), slot), total)",
        "max(round(total * scale), total)", f"{_TIMING}who_speaks_slowly_fills_the_place"
        "_and_does_not_run_over_it"),
    Mutant("netflips.dubbing.part", "GUARD_S = Fraction(1, 10)", "GUARD_S = Fraction(0)",
        f"{_TIMING}slack_ends_before_the_next_utterance_and_the_end"),
    Mutant("netflips.dubbing.part", "if begin < last < stop + pause)", "if begin < last < stop)",
        f"{_TIMING}a_part_ends_with_its_speech_and_begins_with_an_utterance"),
    Mutant("netflips.dubbing.timing", "scaled[order[:missing]] += 1", "scaled[order[-missing:]] += 1",
        f"{_TIMING}scaled_durations_add_up_and_keep_their_shares"),
    Mutant("netflips.dubbing.timing", "slot + min(pause / 2, slot / 4)", "slot + pause", f"{_TIMING}pace_first_then_the_pause"),
    Mutant("netflips.dubbing.timing", "else 1 / rate", "else rate",
        f"{_TIMING}who_speaks_slowly_fills_the_place_and_does_not_run_over_it"),
    Mutant("netflips.dubbing.segmentation", "_SHORTNESS_COST * max(length[0] - seconds, 0.0)", "0.0",
        "netflips/dubbing/test_timing.py"),
    Mutant("netflips.dubbing.divide", "max(seconds, key=lambda name: seconds[name]", "min(seconds, key=lambda name: seconds[name]",
        "netflips/dubbing/test_turns.py::test_turns_are_read_and_part_what_is_said"),
    Mutant("netflips.dubbing.candidates", "return fitting[0] if fitting", "return fitting[-1] if fitting",
        f"{_CANDIDATES}the_best_of_those_that_fit_is_spoken"),
    Mutant("netflips.dubbing.translators", "(text, source, target, *self._made_of)", "(text, source, target)",
        f"{_CANDIDATES}another_translator_is_asked_though_one_before_has_answered"),
    Mutant("netflips.dubbing.roads.text", "engines.fingerprints[\"text translator\"], job.models.arithmetic", '"", ""', _KEPT),
    Mutant("netflips.dubbing.roads.units", "models.translator.unit_offset, models.arithmetic", "models.arithmetic", _KEPT),
    Mutant("netflips.cascade.chat", "self._server.model, _SYSTEM", "_SYSTEM", _KEPT),
    Mutant("netflips.dubbing.terms", "wanted in terms.items() if not any(", "wanted in terms.items() if any(",
        "netflips/script/test_terms.py"),
    Mutant("text2unit.nouns", "if is_syllable(word[-1]) and not (tail and _is_word(text, found, tail)):", "if False:",
        "text2unit/test_nouns.py"),
    Mutant("netflips.cascade.amounts", "if amount.is_required and not _is_among(amount, translated)", "if False",
        f"{_CANDIDATES}what_will_not_do_is_asked_again_with_the_reason"),
    Mutant("netflips.dubbing.store", "            return key in self._checksums\n", "            return True\n",
        "netflips/dubbing/test_store.py"),
    Mutant("netflips.dubbing.mix", "if is_background and not line.has_background:", "if False:",
        f"{_MIXED}effects_are_heard_between_voices_and_a_bed_below_them"),
    Mutant("netflips.dubbing.mix", "max(end, self._end(line)) if self._under else end", "end",
        f"{_MIXED}a_voice_over_has_the_original_below_it"),
    Mutant("netflips.dubbing.stems", "written.callback(flush, temporary)", "pass",
        "netflips/dubbing/test_stems.py::test_of_three_stems_all_are_written_or_none"),
    Mutant("avcore.units", "np.add.reduceat(self.durations, starts)", "self.durations[starts]", "avcore/test_units.py"),
    Mutant("avcore.speech.loudness", "_RELATIVE_LU, _OF_POWER_1 = -70.0, -10.0", "_RELATIVE_LU, _OF_POWER_1 = -70.0, -99.0",
        "avcore/test_loudness.py::test_a_meter_reads_what_the_standard_says"),
    # media: tracks, clocks, gaps, to and fro, what is carried over, what is written into
    Mutant("avcore.media.media_source", "return source, now.st_dev", "return source.path, now.st_dev",
        f"{_TRACKS} {_SOURCE}a_file_is_looked_at_once_until_it_changes"),
    Mutant("avcore.media.opening", "(marked or streams or [None])[0]", "(streams or [None])[0]",
        f"{_SOURCE}the_track_marked_as_default_is_taken"),
    Mutant("avcore.media.frames", "return cls(start, video - start)", "return cls(start, Fraction(0))", _CLOCK),
    Mutant("avcore.media.sound", "for start in range(0, missing, block.rate):", "for start in range(0, 0, block.rate):",
        f"{_HEARD}a_gap_in_the_sound_stays_a_gap"),
    Mutant("avcore.media.source", "yield stretch.pop()", "yield stretch.pop(0)", f"{_SOURCE}to_and_fro"),
    Mutant("avcore.media.passthrough", "(min(max(at(Fraction(time) - self._start), Fraction(0)), self._passthrough.end_s)",
        "(max(at(Fraction(time) - self._start), Fraction(0))",
        "avcore/test_carried.py::test_times_are_those_of_the_new_video"),
    Mutant("avcore.files", "if is_stream(path):\n            with", "if False:\n            with",
        "avcore/test_streams.py::test_a_pipe_gets_what_is_whole_and_stays"),
    # faces: whose, where they are cut and pasted, gaps
    Mutant("avcore.faces.select", "[face - 1 : face]", "[face : face + 1]", f"{_FOLLOWED}the_faces_that_are_chosen"),
    Mutant("avcore.faces.select", "evidence * (_NO_AGREEMENT + _AGREEMENT * max(agreement, 0.0))", "evidence",
        f"{_FOLLOWED}sound_tells_who_of_two_moving_mouths_speaks"),
    Mutant("avcore.faces.crop", "(max(int(value), 0) for value in box[:2])", "(max(round(value), 0) for value in box[:2])",
        _PASTED),
    Mutant("avcore.faces.crop", "if upper else top", "if not upper else top", _PASTED),
    Mutant("avcore.faces.geometry", "np.minimum(place + reach + 1, len(run))", "np.minimum(place + reach, len(run))", _BOXES),
    # subtitles and scripts
    Mutant("netflips.subtitles.cues", "        or _shot_at(held[-1], cuts) != _shot_at(word, cuts)\n", "",
        f"{_CUES}rules_hold_for_any_words {_CUES}a_short_word_stays_a_second_and_ends_with_shot_or_sentence"),
    Mutant("netflips.subtitles.cues", "\"WEBVTT\\n\"", "\"WEBVT\\n\"", f"{_CUES}files"),
    Mutant("netflips.script.edit", "Word(word.text, word.start_s - after_s, word.end_s - after_s,",
        "Word(word.text, word.start_s, word.end_s,", _SCRIPT),
    Mutant("netflips.script.files", "and \"..\" not in place.parts", "", _SCRIPT),
    # corpora: what is done again, gates, lists
    Mutant("avcore.data.prepare.workplace", " | {record.parent for record in failed.values()}", "",
        f"{_PIECES}failures_and_what_they_follow_are_done_again"),
    Mutant("avcore.data.prepare.quality", "value < limit if kind == \"min\" else value > limit", "value < limit",
        "avcore/data/prepare/test_video.py"),
    Mutant("avcore.data.prepare.listed_splits", "found.setdefault(name, split_named(where)) != split_named(where)",
        "not found.setdefault(name, split_named(where))",
        "avcore/data/prepare/test_grid_lrs.py::test_lists_that_cannot_be_used"),
    # who agreed, what a manifest is worth, and figures
    Mutant("netflips.provenance.options", "end < date.today()", "end <= date.today()",
        "netflips/provenance/test_dub.py::test_a_consent_holds_to_the_end_of_its_last_day"),
    Mutant("netflips.provenance.manifest",
        "if problems or not active or found.get(\"validation_state\") not in (\"Valid\", \"Trusted\"):",
        "if not active:",
        "netflips/provenance/test_manifest.py::test_a_changed_file_is_told_and_its_claims_are_not"),
    Mutant("netflips.evaluate.metrics.rhythm", "total / max(len(ours), len(theirs))", "total / min(len(ours), len(theirs))",
        "netflips/evaluate/test_metrics.py::test_pauses_meet_by_place_and_length"),
    Mutant("unit2text.training.task", "letters += len(wanted) - 1", "letters += len(found[found != END])",
        "unit2text/test_training.py::test_errors_are_shares_of_the_letters_that_are_wanted"),
    # what all share: units, notes, exit codes
    Mutant("avcore.data.corpus", "if key(one) not in chosen]", "]", _FACES),
    Mutant("avcore.command", "        return error.exit_code\n", "        return 0\n", "avcore/test_command.py"),
)  # fmt: skip


def changed(module: str, old: str, new: str) -> None:
    """Have a module imported as if its source had another text in place of an old one, by its own package, too."""
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    source = path.read_text(encoding="utf-8")
    assert old in source, f"{module}: the text is not there: {old}"
    assert module not in sys.modules
    code, as_it_is = compile(source.replace(old, new, 1), str(path), "exec"), SourceFileLoader.get_code

    def get_code(loader: SourceFileLoader, name: str) -> object:
        return code if name == module else as_it_is(loader, name)

    SourceFileLoader.get_code = get_code


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

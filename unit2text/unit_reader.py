"""The unit-to-text model that other packages use: it loads a checkpoint to a device, and reads units or lips as a transcript."""

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from av2unit.lips import LipResNet, lip_features
from av2unit.model import HubertLayer
from avcore.arrays import Frames
from avcore.checkpoints.checkpoint import read_again, read_checkpoint
from avcore.checkpoints.layouts import read_setting
from avcore.checkpoints.stages import Checkpoint
from avcore.compute.inference import Reloadable, ready_for_inference, resolve_device, resolve_precision
from avcore.contracts import Transcript, UnitToText, Word, kind_of
from avcore.decoding.beam import SearchConfig
from avcore.decoding.layers import DecoderLayer
from avcore.errors import CheckpointError, UnitError, UnitRangeError, UsageError
from avcore.progress import Progress, silent
from avcore.timeline import FRAME_RATE, UNIT_RATE, Interval, frames_to_seconds
from avcore.units import NUM_MARKS, Ids, Units, require_language, require_same_vocabulary
from unit2text.config import OWNER, UnitToTextConfig
from unit2text.model import EncodedUnits, LipText, UnitText, UnitToTextNetwork, load_unit_to_text_network
from unit2text.search import PUBLISHED_SEARCH, Found, ReadOptions, Span, align, find_text
from unit2text.stage import LIPS, UNIT2TEXT, UNITS
from unit2text.text import TextVocabulary
from unit2text.windows import SURE, WindowSettings, best_cut, join_windows, pauses_of, plan_windows

_STRETCHES_AT_ONCE = 6
"""Stretches that are encoded together."""


class LipUnits(NamedTuple):
    """Input of the published unit-to-text model, 25 steps a second, repeats kept."""

    lips: Ids
    """int64 [time], in the model's own numbers; 0 = no unit"""
    sound: Ids | None = None
    """int64 [time], from 0; None: no sound"""


ReaderInput = Units | Frames | LipUnits
"""Input of a reader; the checkpoint decides which: units with durations, lip frames uint8 [time, 96, 96], or LipUnits."""


@dataclass(frozen=True, eq=False)
class Reading:
    """A transcript with its score."""

    transcript: Transcript
    """the text, with words and times"""
    score: float
    """log-probability of the text"""
    is_cut: bool
    """whether the text of a window ended at the search's limit"""


class UnitReader(Reloadable[UnitToTextNetwork]):
    """A unit-to-text model, ready to run. Its weights are held once, without gradients.

    takes: kind of its input (see unit2text.stage). rate: steps a second of its input. trained_on: fingerprint of the quantizer of
    its units, "" = not stated. text: its vocabulary. default_options: how it searches by default.
    """

    def __init__(
        self,
        model: UnitToTextNetwork,
        checkpoint: Checkpoint,
        device: torch.device,
        load: Callable[[], UnitToTextNetwork] | None = None,
    ) -> None:
        """Wrap a loaded model; `from_checkpoint` is the usual way.

        load: makes an equal model, see `unload`; None = this one stays in memory.
        """
        super().__init__(model, load)
        self.config, self.device = model.config, device
        self.takes, self.languages = model.config.takes, model.config.languages
        self.rate = UNIT_RATE if self.takes == UNITS else FRAME_RATE

        self.text = TextVocabulary.from_checkpoint(checkpoint)
        self.trained_on = str(checkpoint.config.get("vocabulary") or "")
        self.path, self.fingerprint = checkpoint.path, checkpoint.fingerprint
        self.default_options = _stored_options(checkpoint)

        self._windows = WindowSettings.up_to(
            read_setting(checkpoint.config, "longest_s", WindowSettings.longest_s, OWNER, checkpoint.path, (1, 3600))
        )
        self._learnt_sentences = self.takes == UNITS and self._windows.longest_s < WindowSettings.longest_s
        self._marks = self.text.marks(self.config.starts)
        self._owner = f"the unit-to-text model {checkpoint.path.name}"

    @classmethod
    def from_checkpoint(
        cls, path: str | Path, device: str = "cpu", precision: str = "float32", av_hubert: str | Path | None = None
    ) -> "UnitReader":
        """Load a published .pt file or our own .safetensors.

        av_hubert: `mavhubert.pt`, for a lip reader whose file lacks the configuration of its lip encoder; None = the one beside
        it, else the published configuration. Raises CheckpointError or UsageError.
        """
        where = resolve_device(device)
        dtype = resolve_precision(precision, where)
        checkpoint = read_checkpoint(path, UNIT2TEXT)
        config = UnitToTextConfig.from_checkpoint(checkpoint, av_hubert)
        # Not the checkpoint itself: as part of `load`, its tensors would stay in memory after `unload`.
        place, known = checkpoint.path, checkpoint.fingerprint

        def load() -> UnitToTextNetwork:
            return _ready(read_again(place, UNIT2TEXT, known), config, where, dtype)

        return cls(_ready(checkpoint, config, where, dtype), checkpoint, where, load)

    def require_language(self, language: str) -> str:
        """Return the two-letter name of a language that it reads; raises LanguageError listing its languages."""
        return require_language(language, self.languages, self._owner)

    def read(
        self,
        spoken: ReaderInput,
        language: str | None = None,
        options: ReadOptions | None = None,
        pauses: Sequence[Interval] | None = None,
        progress: Progress = silent,
    ) -> Transcript:
        """Read input of any length.

        spoken: of the kind that `takes` names. language: None = the one with the most probable text. pauses: where long input may
        be cut, in seconds; None = at long units. Raises LanguageError, UnitError (also for units without durations),
        VocabularyError, or UsageError.
        """
        return self.read_scored(spoken, language, options, pauses, progress).transcript

    def read_scored(
        self,
        spoken: ReaderInput,
        language: str | None = None,
        options: ReadOptions | None = None,
        pauses: Sequence[Interval] | None = None,
        progress: Progress = silent,
        windows: WindowSettings | None = None,
    ) -> Reading:
        """Read input as `read` does, and return its score too. windows: how long input is cut."""
        steps = self._steps_of(spoken)
        wanted = self.languages if language is None else (self.require_language(language),)
        if pauses is None:
            pauses = pauses_of(spoken) if isinstance(spoken, Units) else ()
        plan = plan_windows(len(steps), self.rate, pauses, windows or self._windows)

        parts: list[list[_Part]] = [[] for _ in wanted]
        for number, window in enumerate(plan):
            progress("read", number, len(plan))
            for found, name in zip(parts, wanted, strict=True):
                found.append(self._read_window(steps.between(window.first, window.last), name, options or self.default_options))

        # The language is decided over all windows; only its text is then read again in parts.
        best = max(range(len(wanted)), key=lambda number: _mean_score(parts[number]))
        chosen = [
            self._parted(whole, steps.between(window.first, window.last), wanted[best], options or self.default_options)
            for window, whole in zip(plan, parts[best], strict=True)
        ]
        progress("read", len(plan), len(plan))

        joined = join_windows(plan, [part.words for part in chosen], self.rate)
        text = chosen[0].text if len(plan) == 1 else " ".join(word.text for word in joined)
        transcript = Transcript(text, wanted[best] if chosen else "", joined)
        return Reading(transcript, sum(part.score for part in chosen), any(part.is_cut for part in chosen))

    @torch.inference_mode()
    def encode(self, spoken: ReaderInput, language: str) -> EncodedUnits:
        """Return the encoder's output for one clip in one of `languages`, float [1, time, dim]; for tests and tools."""
        return self._encode(self._steps_of(spoken), language)

    def _parted(self, whole: "_Part", steps: "_Steps", language: str, options: ReadOptions) -> "_Part":
        """Return the reading of a window, or of its two parts if that is more probable.

        Only a model of single sentences does so, where the window as a whole has a low score.
        """
        if not self._learnt_sentences or not len(steps) or _mean_score([whole]) >= SURE:
            return whole
        cut = best_cut(len(steps), self.rate, partial(self._log_probs, steps, language))
        if cut is None:
            return whole

        parts = []
        for part in (steps.between(0, cut), steps.between(cut, len(steps))):
            parts.append(self._parted(self._read_window(part, language, options), part, language, options))
        return max(whole, _joined(parts, float(frames_to_seconds(cut, self.rate))), key=lambda one: one.score)

    @torch.inference_mode()
    def _log_probs(self, steps: "_Steps", language: str, stretches: Sequence[tuple[int, int]]) -> list[Tensor]:
        """Return the CTC log-probabilities of stretches of units, each encoded by itself: float [time, row] each."""
        model = self.model
        assert isinstance(model, UnitText)  # as `takes` says
        found, number_of_language = dict[int, Tensor](), self.languages.index(language)
        # A few of similar length at a time: all together, half of the rows would be padding.
        by_length = sorted(range(len(stretches)), key=lambda number: stretches[number][1] - stretches[number][0])
        for start in range(0, len(by_length), _STRETCHES_AT_ONCE):
            chosen = by_length[start : start + _STRETCHES_AT_ONCE]
            rows = [torch.from_numpy(steps.main[slice(*stretches[number])]) for number in chosen]
            languages = torch.full((len(rows),), number_of_language, device=self.device)
            encoded = model.encode(pad_sequence(rows, batch_first=True).to(self.device), None, languages, list(map(len, rows)))
            by_row = zip(chosen, model.ctc_log_probs(encoded.features), rows, strict=True)
            found |= {number: log_probs[: len(row)] for number, log_probs, row in by_row}
        return [found[number] for number in range(len(stretches))]

    def _read_window(self, steps: "_Steps", language: str, options: ReadOptions) -> "_Part":
        if not len(steps):
            return _Part("", (), 0.0, 0, False)

        model, start = self.model, self.config.start(language)
        with torch.inference_mode():
            encoded = self._encode(steps, language).features
            log_probs = model.ctc_log_probs(encoded)[0].cpu()  # once: search and alignment read it on the CPU
        found = find_text(model, encoded, log_probs, start, options, self._marks)
        if found is None:
            raise CheckpointError("the unit-to-text model gives no finite scores", path=self.path, hint="its weights are damaged")

        text = unicodedata.normalize("NFC", self.text.decode(found.rows.tolist()))
        return _Part(text, self._words(found, align(log_probs, found.rows)), found.score, len(found.rows) + 1, found.is_cut)

    def _words(self, found: Found, spans: Sequence[Span]) -> tuple[Word, ...]:
        """Return the words of a text, with times from the beginning of their window. spans: when each of its rows was spoken."""
        words = []
        for name, positions in self.text.words(found.rows.tolist()):
            sure = [spans[at].probability if found.probabilities is None else found.probabilities[at] for at in positions]
            start, end = (
                float(frames_to_seconds(step, self.rate)) for step in (spans[positions[0]].first, spans[positions[-1]].last)
            )
            # The geometric mean: one unsure letter makes a word unsure. The floor keeps its logarithm finite.
            confidence = float(np.exp(np.mean(np.log(np.maximum(sure, 1e-12)))))
            words.append(Word(unicodedata.normalize("NFC", name), start, end, confidence))
        return tuple(words)

    def _encode(self, steps: "_Steps", language: str) -> EncodedUnits:
        model, number = self.model, torch.tensor([self.languages.index(language)], device=self.device)
        if isinstance(model, LipText):
            lips = self.config.lips
            assert lips is not None  # as `takes` says
            frames = lip_features(steps.main, lips.image_crop_size, lips.image_mean, lips.image_std)
            return model.encode([torch.from_numpy(frames).to(self.device)], number)

        assert isinstance(model, UnitText)
        rows = torch.from_numpy(steps.main)[None].to(self.device)
        sound = None if steps.sound is None else torch.from_numpy(steps.sound)[None].to(self.device)
        return model.encode(rows, sound, number, [len(steps)])

    def _steps_of(self, spoken: ReaderInput) -> "_Steps":
        """Return the input, a step a row: frames, or rows of the tables. Raises UnitError, or UsageError for another kind."""
        if self.takes == LIPS and isinstance(spoken, np.ndarray):
            return _Steps(spoken)
        if self.takes == UNITS and isinstance(spoken, Units):
            require_same_vocabulary(spoken.vocabulary, self.trained_on, self._owner)
            return _Steps(_rows_of(spoken.frames(), self.config.unit_rows, NUM_MARKS))
        if isinstance(spoken, LipUnits) and self.takes not in (LIPS, UNITS):
            if spoken.sound is not None and len(spoken.sound) != len(spoken.lips):
                raise UnitError("units of sound and lips differ in length", expected=len(spoken.lips), found=len(spoken.sound))
            sound = None if spoken.sound is None else _rows_of(spoken.sound, self.config.sound_rows, NUM_MARKS)
            return _Steps(_rows_of(spoken.lips, self.config.unit_rows, 0), sound)
        raise UsageError(f"{self._owner} reads {self.takes}", found=kind_of(spoken))


@dataclass(frozen=True, eq=False)
class _Steps:
    """The input of the network, step by step."""

    main: NDArray[Any]
    """lip frames uint8 [time, height, width], or rows of units int64 [time]"""
    sound: Ids | None = None
    """rows of the sound's units, int64 [time]"""

    def __len__(self) -> int:
        return len(self.main)

    def between(self, first: int, last: int) -> "_Steps":
        """Return steps first to last - 1."""
        return _Steps(self.main[first:last], None if self.sound is None else self.sound[first:last])


@dataclass(frozen=True)
class _Part:
    """The text of a window."""

    text: str
    words: tuple[Word, ...]
    """times from the beginning of the window"""
    score: float
    """log-probability of the text"""
    num_rows: int
    """rows of the text, the end included"""
    is_cut: bool
    """whether the text ended at the search's limit"""


def _joined(parts: Sequence[_Part], cut_s: float) -> _Part:
    """Join two parts. cut_s: where the second begins."""
    first, second = parts
    words = *first.words, *(word._replace(start_s=word.start_s + cut_s, end_s=word.end_s + cut_s) for word in second.words)
    text = " ".join(part.text for part in parts if part.text)
    return _Part(text, words, first.score + second.score, first.num_rows + second.num_rows, first.is_cut or second.is_cut)


def _mean_score(parts: Sequence[_Part]) -> float:
    """Return the mean log-probability of a row, over all windows."""
    # Per row: a sum would favour the language that writes the same words with the fewest letters.
    return sum(part.score for part in parts) / max(1, sum(part.num_rows for part in parts))


def _rows_of(ids: Ids, num_rows: int, first: int) -> Ids:
    """Return the rows of units in a table whose unit 0 is row `first`. Raises UnitRangeError for the first unit outside it."""
    outside = np.flatnonzero((ids < 0) | (ids + first >= num_rows))
    if outside.size:
        raise UnitRangeError(int(ids[outside[0]]), int(outside[0]), num_rows - first)
    return np.asarray(ids + first, dtype=np.int64)


def _ready(checkpoint: Checkpoint, config: UnitToTextConfig, device: torch.device, dtype: torch.dtype) -> UnitToTextNetwork:
    """Load the network. The ResNet and the layers' products are in `dtype`; residual streams and scores in float32."""
    model = load_unit_to_text_network(checkpoint, config).to(device)
    parts = [part for part in model.modules() if isinstance(part, DecoderLayer | HubertLayer | LipResNet)]
    return ready_for_inference(model, dtype, parts)


def _stored_options(checkpoint: Checkpoint) -> ReadOptions:
    """Return the search settings of our own checkpoints; the published ones where a checkpoint states none."""
    stored = checkpoint.config.get("search")
    names = [option.name for option in fields(SearchConfig)]
    search = PUBLISHED_SEARCH
    if stored is not None:
        asked = SearchConfig.from_generation(stored, checkpoint.path, OWNER)
        search = replace(search, **{name: getattr(asked, name) for name in names if stored.get(name) is not None})

    return ReadOptions(
        search,
        read_setting(checkpoint.config, "ctc_weight", 0.0, OWNER, checkpoint.path),
        read_setting(checkpoint.config, "suppress_marks", False, OWNER, checkpoint.path),
    )


_CONTRACT: type[UnitToText] = UnitReader
"""Checked by mypy: the class keeps the protocol."""

__all__ = ["LipUnits", "ReaderInput", "Reading", "UnitReader"]

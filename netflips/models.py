"""The models of a dub, loaded once and checked against one another before any work is done."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from av2unit.stage import UNIT_ENCODER
from avcore.checkpoints.bundle import learnt_languages
from avcore.checkpoints.checkpoint import read_checkpoint
from avcore.checkpoints.stages import Running, Stage
from avcore.contracts import Extractor, Speaker, SpeakerVoice, Translator, Voice
from avcore.domain import Domain
from avcore.errors import Message, UsageError
from avcore.flags import CommonOptions
from avcore.journal import file_digest
from avcore.units import normalise_language, require_language, require_same_vocabulary
from netflips.model_paths import ModelPaths, RunOptions, UnitOffset
from netflips.recognizers.language import AUTO
from netflips.stages import STAGES, load, load_speaker_encoder, load_voice
from text2unit.stage import LANGUAGES
from unit2av.stage import RENDERER
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from unit2av.renderer import LipRenderer

_Loaded = TypeVar("_Loaded")
_DIGITS = 16
"""Digits that are kept of a model file's digest."""


@dataclass(frozen=True)
class Models:
    """The models of a dub."""

    fingerprints: dict[str, str]
    """of the checkpoints, by the names of their stages"""
    paths: ModelPaths
    """where the checkpoints came from"""
    how: Running
    """how the models run"""
    of_voice: Running
    """how the voice runs"""
    speaks: bool = True
    """as `RunOptions.speaks`"""
    unloads: bool = False
    """as `RunOptions.unloads`"""
    loaded: dict[Stage, Any] = field(default_factory=dict, repr=False)
    """the unit encoder, the unit translator and the voice, as far as they were read"""
    _others: dict[Hashable, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """whatever else was loaded, by part or name"""

    @property
    def extractor(self) -> Extractor:
        """The unit encoder. Raises UsageError where there is none."""
        extractor: Extractor = self._needed(UNIT_ENCODER, self.how)
        return extractor

    @property
    def translator(self) -> Translator:
        """The unit translator. Raises UsageError where there is none."""
        translator: Translator = self._needed(TRANSLATOR, self.how)
        return translator

    @property
    def vocoder(self) -> Voice:
        """The voice of the target language. Raises UsageError where there is none."""
        voice: Voice = self._needed(RENDERER, self.of_voice)
        return voice

    def _needed(self, stage: Stage, how: Running) -> Any:
        if stage not in self.loaded:
            path = self.paths.needed.get(stage)
            if path is None:
                found = ", ".join(one.kind for one in self.paths.needed)
                raise UsageError(
                    Message("these models have no {what}", what=stage.kind), found=found, hint="load those of the unit pipeline"
                )
            self.loaded[stage] = load(stage, path, how)
        return self.loaded[stage]

    @property
    def agreement(self) -> Any:
        """As of the unit encoder (`avcore.contracts.Extractor`); None without one."""
        return None if self.paths.av2unit is None else self.extractor.agreement

    @property
    def domains(self) -> dict[str, Domain | None]:
        """What the unit encoder and the unit translator know, by their names, as far as they were read."""
        return {stage.name: self.loaded[stage].domain for stage in (UNIT_ENCODER, TRANSLATOR) if stage in self.loaded}

    def done_with(self, stage: Stage) -> None:
        """Report that a dub does not need the unit encoder or translator any more; with `unloads`, its weights leave memory."""
        if self.unloads and stage in self.loaded:
            self.loaded[stage].unload()

    @property
    def languages(self) -> tuple[str, str]:
        """Source and target language."""
        return self.how.source, self.how.target

    @property
    def arithmetic(self) -> str:
        """Device and precision: besides the checkpoints, the last digits of all results depend on them. Kept work is only valid for
        the same ones."""
        return f"{self.how.device} {self.how.precision}"

    @property
    def renderer(self) -> "LipRenderer":
        """The face network, read when lips are drawn with it. Raises CheckpointError where the renderer has none."""

        def read() -> "LipRenderer":
            from unit2av.renderer import LipRenderer

            return LipRenderer.from_checkpoint(self.paths.unit2av, self.how.device, self.how.precision)

        return self.kept("renderer", read)

    @cached_property
    def speaker_encoder(self) -> Speaker:
        """The speaker encoder whose vectors the vocoder takes, read when a voice is needed. Raises CheckpointError when they do not
        fit the vocoder."""
        from unit2av.speaker import encoder_for

        return encoder_for(self.vocoder, self.paths.speaker_encoder, self.how.device)

    @cached_property
    def likeness_encoder(self) -> Speaker:
        """The speaker encoder by which voices are compared. The bounds were measured with GE2E's vectors, so this is a GE2E encoder
        even where the vocoder takes other vectors."""
        from unit2av.speaker import is_onnx

        given = self.paths.speaker_encoder
        return load_speaker_encoder(None, self.how) if is_onnx(given) else self.speaker_encoder

    def other(self, stage: Stage, language: str = "") -> Any:
        """Return the model of a stage that not every dub needs; it is read at the first call.

        language: for a stage with a model for each language; a model that was given with the flag serves any language. Raises
        UsageError where no checkpoint of it was given or packed.
        """
        part = stage.part_for(language)
        if part not in self._others:
            path = self.paths.other(stage, language)
            if path is None:
                raise UsageError(f"there is no {stage.kind} for this", expected=f"{stage.flag}, or a bundle with one")
            self._others[part] = load(stage, path, self.how)
        return self._others[part]

    @cached_property
    def named_voices(self) -> dict[str, SpeakerVoice]:
        """Voices by name, from the file beside the renderer, the default first; empty where there is no such file."""
        from unit2av.voice.named import FILE, read_named_voices

        path = self._beside_renderer(FILE)
        return {} if path is None else read_named_voices(path)

    def into(self, target: str, offset: UnitOffset = "auto") -> "Models":
        """Return the same models with the voice of another target language; all else that was loaded is shared.

        offset: as `RunOptions.vocoder_unit_offset`. Raises LanguageError where the renderer lacks the language.
        """
        how = replace(self.how, target=target)
        of_voice = _of_voice(how, offset, self.paths.unit2av, self.speaks)
        voice = load_voice(self.paths.unit2av, of_voice)
        other = replace(self, how=how, of_voice=of_voice, loaded=self.loaded | {RENDERER: voice})
        object.__setattr__(other, "_others", self._others)  # what is of one language has its name in the key
        return other

    def _beside_renderer(self, name: str) -> Path | None:
        renderer = self.paths.needed.get(RENDERER)
        path = None if renderer is None else renderer.parent / name
        return path if path is not None and path.is_file() else None

    def kept(self, name: Hashable, load: Callable[[], _Loaded]) -> _Loaded:
        """Return something else that all dubs with these models share; it is loaded at the first call."""
        if name not in self._others:
            self._others[name] = load()
        loaded: _Loaded = self._others[name]
        return loaded


def load_models(paths: ModelPaths, source: str, target: str, run: RunOptions) -> Models:
    """Load the unit encoder, the unit translator and the voice for a pair of languages; in the cascade, whose paths name no more,
    the voice alone, or with the unit encoder.

    Raises LanguageError when the translator or the renderer lacks a language, CheckpointError for files that do not fit,
    VocabularyError for models of different units, UsageError for a device or precision that this machine lacks.
    """
    how = Running(run.device, run.precision, source, target)
    of_voice = _of_voice(how, run.vocoder_unit_offset, paths.unit2av, run.speaks)
    wanted: list[tuple[Stage, Path, Running]] = [(RENDERER, paths.unit2av, of_voice)]
    if paths.av2unit is not None:
        wanted.append((UNIT_ENCODER, paths.av2unit, how))
        if paths.utut is not None:
            wanted.insert(0, (TRANSLATOR, paths.utut, replace(how, unit_offset=run.translator_unit_offset)))

    loaded = dict(zip((stage for stage, *_ in wanted), _load_at_once(wanted), strict=True))
    fingerprints = {stage.name: loaded[stage].fingerprint for stage in (UNIT_ENCODER, TRANSLATOR, RENDERER) if stage in loaded}
    models = Models(fingerprints, paths, how, of_voice, run.speaks, run.unloads, loaded)
    if paths.av2unit is not None:
        if paths.utut is not None:
            trained_on = models.translator.trained_on
            require_same_vocabulary(models.extractor.vocabulary, trained_on, f"the translator {paths.utut.name}")
        require_same_vocabulary(models.extractor.vocabulary, models.vocoder.vocabulary, f"the vocoder of {paths.unit2av.name}")
    return models


def _of_voice(how: Running, offset: UnitOffset, renderer: Path, speaks: bool) -> Running:
    """Return how the voice runs. Where it does not speak, any of its languages will do: its units are needed alone."""
    known = () if speaks else RENDERER.layout.languages(read_checkpoint(renderer, RENDERER))
    target = known[0] if known and how.target not in known else how.target
    return replace(how, target=target, unit_offset=None if offset == "auto" else offset)


def models_when_asked(paths: ModelPaths, run: RunOptions | CommonOptions, target: str = "") -> Models:
    """Return the models of a command that needs few of them; each is read at its first use.

    target: language that the vocoder speaks. Reading raises what `load_models` raises.
    """
    how = Running(run.device, run.precision, "", target)
    offset: UnitOffset = getattr(run, "vocoder_unit_offset", "auto")
    of_voice = replace(how, unit_offset=None if offset == "auto" else offset)
    found = paths.needed
    files = found | {stage: path for stage in STAGES if (path := paths.other(stage)) is not None}
    # Of the files, since a model's own fingerprint is known only once it is read.
    fingerprints = {stage.name: file_digest(path)[:_DIGITS] for stage, path in files.items()}
    return Models(fingerprints, paths, how, of_voice)


def _load_at_once(wanted: Sequence[tuple[Stage, Path, Running]]) -> list[Any]:
    """Load models in parallel, as far as there are threads; most of the time goes into the checksums of their files."""
    import torch  # which comes with the first model

    from avcore.compute.threads import map_in_threads

    def loaded(one: tuple[Stage, Path, Running]) -> Any:
        stage, path, how = one
        return load(stage, path, how)

    return map_in_threads(wanted, loaded, torch.get_num_threads())


def choose_languages(source: str | None, target: str | None, paths: ModelPaths) -> tuple[str, str]:
    """Return the given languages; in place of None, the only one that the models allow.

    Raises UsageError naming the choices where there are several, LanguageError for one that a bundle never learnt.
    """
    if paths.utut is not None and source == AUTO:
        raise UsageError(f"--from {AUTO} belongs to the cascade", hint="name the language, as en")
    if paths.utut is None:
        return _over_text(source, target, paths.unit2av, LANGUAGES if paths.av2unit is None else None)

    source, target = learnt_languages(paths.utut, source, target)
    if source is not None and target is not None:
        return source, target

    translated = TRANSLATOR.layout.languages(read_checkpoint(paths.utut, TRANSLATOR))
    spoken = RENDERER.layout.languages(read_checkpoint(paths.unit2av, RENDERER))
    if target is None:
        others = [one for one in spoken if one in translated and (source is None or one != normalise_language(source))]
        target = _only(others, "--to")
    if source is None:
        source = _only([one for one in translated if one != normalise_language(target)], "--from")
    return source, target


def require_targets(targets: Sequence[str], paths: ModelPaths, speaks: bool = True) -> None:
    """Raise LanguageError for a target that the unit translator lacks, or the renderer if it speaks. No model is loaded."""
    for stage in (TRANSLATOR, RENDERER) if speaks else (TRANSLATOR,):
        if (path := paths.needed.get(stage)) is not None:
            known = stage.layout.languages(read_checkpoint(path, stage))
            for one in targets:
                require_language(one, known, f"{stage.kind} {path.name}")


def _over_text(source: str | None, target: str | None, renderer: Path, read_aloud: Sequence[str] | None) -> tuple[str, str]:
    """Choose the languages without a unit translator: the target is one that can be spoken, the source is English unless given.

    read_aloud: languages of the text-to-unit model; None = speech is given.
    """
    spoken = RENDERER.layout.languages(read_checkpoint(renderer, RENDERER))
    if target is None:
        known = [one for one in spoken if one != normalise_language(source or "en")]
        target = _only([one for one in known if read_aloud is None or one in read_aloud], "--to")
    elif read_aloud is not None:
        target = require_language(target, read_aloud, "the cascade")
    return normalise_language(source or "en"), target


def _only(choices: list[str], flag: str) -> str:
    if len(choices) != 1:
        raise UsageError(
            Message("give {flag}", flag=flag), expected=f"one of {', '.join(choices)}" if choices else "a language of the models"
        )
    return choices[0]

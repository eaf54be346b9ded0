"""`netflips evaluate units` and `netflips evaluate translate`: unit error rate, BLEU and chrF of one's own test split."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG
from avcore.errors import EXIT_FAILED, InputError, NetflipsError
from avcore.files import Input, Output, require_file, write_text
from avcore.flags import Command, CommonOptions, QuietOptions, flag
from avcore.journal import write_rows
from avcore.loading import loading
from avcore.notes import print_text, several
from avcore.progress import bars
from avcore.texts import read_json
from avcore.units import Ids, Units
from netflips.evaluate import unit_scores
from netflips.evaluate.unit_scores import Pair, Side, match, read_side, require_sacrebleu, score
from netflips.stages import load_translator
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from unit2unit.translator import UnitTranslator

_UNITS, _RIGHT = Input("the hypotheses", may_be_folder=True), Input("the references", may_be_folder=True)
_FORMS = "JSON lines with id and units, a folder of such or of unit files, or lines of units (ids in FILE.ids beside, else numbers)"


@dataclass(frozen=True, kw_only=True)
class WrittenScores(QuietOptions):
    """Where figures are written."""

    rows: Path | None = flag(default=None, file=Output("--rows"))
    """write figures and units of each utterance, as JSON lines"""
    json: Path | None = flag(default=None, file=Output("--json"))
    """write the table's figures as JSON"""


@dataclass(frozen=True, kw_only=True)
class UnitScoresOptions(WrittenScores):
    """Score unit sequences against references. Repeats are merged on both sides first. Unit error rate: edits over units of the
    references. BLEU: a unit is a word. chrF: a unit is a character. All over the whole split (sacrebleu), none a mean over
    utterances."""

    hypotheses: Path = flag(file=_UNITS, metavar="PATH", help=f"what was found: {_FORMS}")
    references: Path = flag(file=_RIGHT, metavar="PATH")
    """what is right: the same, with the same ids; one without a hypothesis counts as wrong"""


@dataclass(frozen=True, kw_only=True)
class TranslationScoresOptions(CommonOptions, WrittenScores):
    """Translate a test split and score the result against its references, as `netflips evaluate units` does."""

    pairs: Path = flag(metavar="DIR")
    """folder made by unit2unit.utut_finetune.prepare_pairs"""
    split: str = flag(default="test", metavar="NAME")
    """test, valid or train (default: test)"""
    utut_path: Path | None = flag(default=None, file=Input("the translator"), group="translation")
    """translator checkpoint (default: the bundle's)"""
    beam: int | None = flag(default=None)
    """hypotheses of the beam search (default: as the checkpoint says)"""
    max_target_units: int | None = flag(default=None)
    """stop a translation at N units and marks"""


def _score_units(options: UnitScoresOptions) -> None:
    require_sacrebleu()
    _tell(match(read_side(options.hypotheses), read_side(options.references)), options)


def _score_translations(options: TranslationScoresOptions) -> int | None:
    require_sacrebleu()
    path = require_file(checkpoint_or_bundle(options.utut_path, TRANSLATOR), "the translator")
    about = require_file(options.pairs / "data.json", "the report of the pairs", hint="prepare_pairs writes it")
    try:
        from_, to = read_json(about, "the report of the pairs")["languages"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this does not say the languages of the pairs", path=about, found=error) from error
    languages = str(from_), str(to)
    sources, references = (read_side(options.pairs / "text" / f"{options.split}.{language}") for language in languages)
    with loading():
        translator = load_translator(path, Running(options.device, options.precision, *languages))
    found, cut = _translate(translator, sources, languages, options)
    failed = len(sources) - len(found)
    if cut:
        hint = "--max-target-units lets them go on"
        LOG.warning("%s stopped at the limit of length before the end; %s", several(cut, "translation"), hint)
    _tell(match(found, references), options, cut)
    return EXIT_FAILED if failed else None


def _translate(
    translator: "UnitTranslator", sources: Side, languages: tuple[str, str], options: TranslationScoresOptions
) -> tuple[Side, int]:
    """Return what each source was translated into, without those that failed, and how many reached the limit of length."""
    from unit2unit.inference import TranslationRequest, search_settings, translate_many

    given = [TranslationRequest(name, name, lambda ids=ids: Units(ids)) for name, ids in sources.items()]  # type: ignore[misc]
    search = search_settings(translator.default_search, options.beam, options.max_target_units)
    found, cut = dict[str, Ids](), 0
    with bars(options.quiet) as progress:
        for one, translation in translate_many(translator, given, *languages, search, progress, len(given)):
            if isinstance(translation, NetflipsError):
                LOG.error("%s: %s", one.id, translation)
            else:
                found[one.id] = translation.units.ids
                cut += translation.truncated
    return found, cut


def _tell(pairs: list[Pair], options: WrittenScores, cut: int | None = None) -> None:
    """Write and say the figures. cut: translations that reached the limit of length, None = nothing was translated here."""
    scores = score(pairs)
    ends = scores.unit_error_rate_interval
    if options.rows is not None:
        write_rows(options.rows, unit_scores.score_rows(pairs))
    if options.json is not None:
        content = {name: round(value, 4) if isinstance(value, float) else value for name, value in vars(scores).items()}
        content["unit_error_rate_interval"] = {end: round(value, 4) for end, value in ends.items()}
        write_text(options.json, json.dumps(content | ({} if cut is None else {"truncated": cut}), indent=1) + "\n")
    print_text(unit_scores.score_table(scores, cut))
    if ends:
        print_text(f"unit error rate: 95 % interval {ends['low']:.3f} to {ends['high']:.3f} (bootstrap over utterances)")


COMMANDS: dict[str, Command[Any]] = {
    "units": Command(UnitScoresOptions, "netflips evaluate units", _score_units),
    "translate": Command(TranslationScoresOptions, "netflips evaluate translate", _score_translations),
}
build_units_parser, build_translate_parser = (one.parser for one in COMMANDS.values())

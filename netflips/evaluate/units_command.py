"""`netflips evaluate units` and `netflips evaluate translate`: unit error rate, BLEU and chrF of one's own test split."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import EXIT_FAILED, LOG, Parser, add_common_options, device_name
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import require_file, write_text
from avcore.loading import loading
from avcore.outputs import Input, Output
from avcore.plain_text import print_text, several
from avcore.progress import bars
from avcore.runs.journal import write_rows
from avcore.texts import read_json
from avcore.units import Ids, Units
from avcore.usage import add_quiet_options
from avdata.manifest import iter_entries
from netflips.evaluate import unit_scores
from netflips.evaluate.unit_scores import Pair, Side, match, read_pairs, read_side, require_sacrebleu, score
from netflips.stages import load_translator
from unit2unit.stage import TRANSLATOR

if TYPE_CHECKING:
    from unit2unit.translator import UnitTranslator

_FORMS = "JSON lines with id and units, a folder of such or of unit files, or lines of units (ids in FILE.ids beside, else numbers)"
_FIGURES = (
    "Repeats are merged on both sides first. Unit error rate: edits over units of the references. BLEU: a unit is a word. chrF: a "
    "unit is a character. All over the whole split (sacrebleu), none a mean over utterances."
)


def build_units_parser() -> Parser:
    """Return the options of `evaluate units`."""
    parser = Parser(prog="netflips evaluate units", description=f"Score unit sequences against references. {_FIGURES}")
    _add_manifest(parser, '{"id", "units", "reference"}; or both of these:')
    _add_side(parser, "hypotheses", f"what was found: {_FORMS}")
    _add_side(parser, "references", "what is right: the same, with the same ids")
    _add_outputs(parser)
    parser.add_argument("--missing-as-empty", action="store_true", help="count references without a hypothesis as wrong")
    add_quiet_options(parser, "the table")
    return parser


def build_translate_parser() -> Parser:
    """Return the options of `evaluate translate`."""
    parser = Parser(
        prog="netflips evaluate translate",
        description=f"Translate a test split and score the result against its references. {_FIGURES}",
    )
    _add_manifest(parser, '{"id", "source", "reference", "source_language"?, "language"?}; or a test split:')
    given = parser.add_argument_group("test split (a manifest, or --pairs, or --source and --target)")
    given.add_argument("--pairs", type=Path, metavar="DIR", help="folder made by unit2unit.utut_finetune.prepare_pairs")
    given.add_argument("--split", default="test", metavar="NAME", help="of --pairs: test, valid or train (default: test)")
    _add_side(given, "source", f"units to translate: {_FORMS}")
    _add_side(given, "target", "units that are right: the same, with the same ids")
    told = "only the ids of this manifest, as test.jsonl"
    given.add_argument("--manifest", type=Input("the list of ids"), metavar="FILE", help=told)
    parser.add_argument("--utut-path", type=Input("the translator"), help="translator checkpoint (default: the bundle's)")
    parser.add_argument("--src-lang", metavar="LANG", help="language of the units (default: as the pairs say)")
    parser.add_argument("--tgt-lang", metavar="LANG", help="language to translate into (default: as the pairs say)")
    parser.add_argument("--beam", type=int, help="hypotheses of the beam search (default: as the checkpoint says)")
    parser.add_argument("--max-target-units", type=int, metavar="N", help="stop a translation at N units and marks")
    _add_outputs(parser)
    add_common_options(parser)
    return parser


def _add_manifest(parser: Parser, form: str) -> None:
    parser.add_argument("cases", type=Input("the manifest"), nargs="?", metavar="MANIFEST", help=f"JSON lines of {form}")


def _add_side(parser: Any, name: str, told: str) -> None:
    parser.add_argument(f"--{name}", type=Input(f"the {name}", may_be_folder=True), metavar="PATH", help=told)


def _add_outputs(parser: Parser) -> None:
    told = "write figures and units of each utterance, as JSON lines"
    parser.add_argument("--rows", type=Output("--rows"), metavar="FILE", help=told)
    parser.add_argument("--json", type=Output("--json"), metavar="FILE", help="write the table's figures as JSON")


def _score_units(options: argparse.Namespace) -> None:
    require_sacrebleu()
    sides = options.hypotheses, options.references
    if (options.cases is None) == (sides[0] is None and sides[1] is None) or (sides[0] is None) != (sides[1] is None):
        raise UsageError("say what is scored", expected="a manifest, or --hypotheses and --references")
    if options.cases is None:
        found, references = read_side(sides[0]), read_side(sides[1])
    else:
        found, references, _ = read_pairs(options.cases, "units")
    _tell(match(found, references, options.missing_as_empty), options)


def _score_translations(options: argparse.Namespace) -> int | None:
    require_sacrebleu()
    path = require_file(checkpoint_or_bundle(options.utut_path, TRANSLATOR), "the translator")
    languages, sources, references = _split(options)
    with loading():
        translator = load_translator(path, Running(device_name(options), options.precision, *languages))
    found, cut = _translate(translator, sources, languages, options)
    failed = len(sources) - len(found)
    if cut:
        hint = "--max-target-units lets them go on"
        LOG.warning("%s stopped at the limit of length before the end; %s", several(cut, "translation"), hint)
    _tell(match(found, references, is_missing_empty=bool(failed)), options, cut)
    return EXIT_FAILED if failed else None


def _split(options: argparse.Namespace) -> tuple[tuple[str, str], Side, Side]:
    """Return the languages and both sides, those of the sources' ids that are asked for."""
    given = [options.cases is not None, options.pairs is not None, options.source is not None or options.target is not None]
    if given.count(True) != 1 or (options.source is None) != (options.target is None):
        raise UsageError("say where the test split is", expected="a manifest, or --pairs, or --source and --target")
    if options.cases is not None and options.manifest is not None:
        raise UsageError("--manifest chooses ids of a test split", found=f"the manifest {options.cases} beside it")
    stored, source, target, sources, references = ("", ""), options.source, options.target, Side(), Side()
    if options.cases is not None:
        sources, references, stored = read_pairs(options.cases, "source")
    elif options.pairs is not None:
        stored = _languages_of(options.pairs)
        source, target = (options.pairs / "text" / f"{options.split}.{language}" for language in stored)
    languages = options.src_lang or stored[0], options.tgt_lang or stored[1]
    if not all(languages):
        raise UsageError("give both languages", expected="--src-lang and --tgt-lang, as en and ko")
    if options.cases is not None:
        return languages, sources, references
    sources, references = read_side(source), read_side(target)
    wanted = sources.keys() & references.keys() if len(sources) > 1 else sources.keys()
    if options.manifest is not None:
        wanted &= {entry.id for _, entry in iter_entries(options.manifest)}
    elif alone := sources.keys() ^ references.keys() if len(sources) > 1 else ():
        LOG.warning("%s on one side only and left out, as %s", several(len(alone), "id is", "ids are"), min(alone))
    if not wanted:
        raise InputError("no id is in all that was given", path=options.manifest or source, found=several(len(sources), "source"))
    chosen = {name: units for name, units in references.items() if name in wanted} if len(references) > 1 else references
    return languages, {name: units for name, units in sources.items() if name in wanted}, chosen


def _languages_of(folder: Path) -> tuple[str, str]:
    """Of prepared pairs: source and target."""
    path = require_file(folder / "data.json", "the report of the pairs", hint="prepare_pairs writes it")
    content = read_json(path, "the report of the pairs")
    try:
        source, target = content["languages"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this does not say the languages of the pairs", path=path, found=error) from error
    return str(source), str(target)


def _translate(
    translator: "UnitTranslator", sources: Side, languages: tuple[str, str], options: argparse.Namespace
) -> tuple[Side, int]:
    """Return what each source was translated into, without those that failed, and how many reached the limit of length."""
    from unit2unit.inference import search_settings
    from unit2unit.many import TranslationRequest, translate_many

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


def _tell(pairs: list[Pair], options: argparse.Namespace, cut: int | None = None) -> None:
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


COMMANDS = {"units": (build_units_parser, _score_units), "translate": (build_translate_parser, _score_translations)}
"""Parsers of the commands, and what they do."""

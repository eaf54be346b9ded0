"""Compare translated units with references: unit error rate, BLEU and chrF over a whole test split.

`netflips evaluate units` and `netflips evaluate translate`.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from avcore.checkpoints.bundle import checkpoint_or_bundle
from avcore.checkpoints.stages import Running
from avcore.command import LOG
from avcore.data.splits import TRAIN
from avcore.data.unit_store import UNIT_SUFFIXES, read_units
from avcore.errors import EXIT_FAILED, InputError, NetflipsError, UnitError, UsageError, pip_line
from avcore.files import require_file, write_text
from avcore.journal import write_rows
from avcore.notes import aligned, print_text, several
from avcore.parts import share
from avcore.progress import bars
from avcore.statistics import bootstrap
from avcore.texts import read_json
from avcore.units import Ids, Units, edit_distance, format_units, parse_units
from netflips.evaluate.command import TranslationScoresOptions, UnitScoresOptions, WrittenScores
from netflips.stages import load_translator
from unit2unit.learnt import read_learnt, require_unlearnt
from unit2unit.stage import TRANSLATOR

Side = dict[str, Ids]
"""Units by id, int64 [N] each. They may have repeats, and may be empty."""
_TABLE, _IDS, _NAMED, _ROUND = ".jsonl", ".ids", 3, 4
_FIRST_CHARACTER = 0xF0000
"""Start of Unicode's private plane, in which each unit is one character for chrF."""


@dataclass(frozen=True)
class Pair:
    """The units of an utterance, found and right, int64 [U] each. Repeats are merged."""

    id: str
    """of the utterance"""
    found: Ids
    """the hypothesis"""
    reference: Ids
    """the right units"""

    @classmethod
    def of(cls, name: str, found: Ids, reference: Ids) -> "Pair":
        """Make a pair, with repeats merged."""
        return cls(name, Units(found).merged().ids, Units(reference).merged().ids)

    @property
    def errors(self) -> int:
        """Number of edits that turn one into the other."""
        return edit_distance(self.found, self.reference)


def require_sacrebleu() -> None:
    """Raise UsageError where sacrebleu is not installed."""
    if find_spec("sacrebleu") is None:
        raise UsageError("BLEU and chrF need sacrebleu", found="it is not installed", hint=pip_line("metrics"))


def score(pairs: Sequence[Pair]) -> dict[str, Any]:
    """Return the figures over all utterances together, with merged repeats, as `--json` writes them.

    exact: share of the utterances without an error. unit_error_rate: edits over units of the references, with the 95 % interval
    where there are several utterances. bleu, chrf: 0 to 100. signatures: how sacrebleu computed them. Raises UsageError without any
    utterance, or without sacrebleu.
    """
    if not pairs:
        raise UsageError("there is nothing to score", found="0 utterances")

    lengths, errors = [len(pair.reference) for pair in pairs], [pair.errors for pair in pairs]
    ends = bootstrap(errors, [max(length, 1) for length in lengths])  # a draw may have no units
    figures: dict[str, Any] = {
        "utterances": len(pairs),
        "reference_units": sum(lengths),
        "found_units": sum(len(pair.found) for pair in pairs),
        "exact": float(np.mean([not wrong for wrong in errors])),
        "unit_error_rate": sum(errors) / max(1, sum(lengths)),
        "unit_error_rate_interval": {"low": ends.low, "high": ends.high} if len(pairs) > 1 else {},
    }

    scorers = _scorers(is_sentence=False)
    for name, (scorer, form) in scorers.items():
        figures[name] = scorer.corpus_score([form(one.found) for one in pairs], [[form(one.reference) for one in pairs]]).score
    return {**figures, "signatures": {name: str(scorer.get_signature()) for name, (scorer, _) in scorers.items()}}


def score_rows(pairs: Sequence[Pair]) -> Iterator[dict[str, Any]]:
    """Yield figures and units of each utterance. BLEU of one sentence uses the orders that the sentence is long enough for."""
    scorers = _scorers(is_sentence=True)
    for pair in pairs:
        row = {"id": pair.id, "unit_error_rate": round(pair.errors / max(1, len(pair.reference)), _ROUND)}
        for name, (scorer, form) in scorers.items():
            row[name] = round(scorer.sentence_score(form(pair.found), [form(pair.reference)]).score, _ROUND)
        yield {**row, "found": pair.found.tolist(), "reference": pair.reference.tolist()}


def score_table(scores: Mapping[str, Any], cut: int | None = None) -> str:
    """Return the figures as one table. cut: number of translations that reached the length limit, None = nothing was translated."""
    units, signatures = scores["reference_units"], scores["signatures"]
    ratio = scores["found_units"] / max(1, units)
    lines = [
        ("figure", "value", "what it is"),
        ("utterances", f"{scores['utterances']}", f"{units} reference units, {ratio:.3f} times as many found"),
        ("exact", f"{scores['exact']:.3f}", "share that is right to the unit"),
        ("unit error rate", f"{scores['unit_error_rate']:.3f}", "edits over units of the references (lower is better)"),
        ("BLEU", f"{scores['bleu']:.2f}", f"a unit is a word, up to 4 in a row; {signatures['bleu']}"),
        ("chrF", f"{scores['chrf']:.2f}", f"a unit is a character, up to 6 in a row; {signatures['chrf']}"),
    ]
    if cut is not None:
        lines.append(("cut", f"{cut}", "translations that stopped at the limit of length"))
    return aligned(lines).rstrip("\n")


def as_characters(ids: Ids) -> str:
    """Return units int64 [U] as a text of U characters."""
    return "".join(chr(_FIRST_CHARACTER + int(unit)) for unit in ids)


def _scorers(is_sentence: bool) -> dict[str, tuple[Any, Callable[[Ids], str]]]:
    """Return sacrebleu's BLEU and chrF, each with a function that brings units into the form that it takes."""
    require_sacrebleu()
    from sacrebleu.metrics import BLEU, CHRF

    # Units are tokens already: without a tokeniser, and without sacrebleu's warning about that.
    bleu = BLEU(tokenize="none", effective_order=is_sentence, force=True)
    return {"bleu": (bleu, format_units), "chrf": (CHRF(char_order=6, word_order=0, beta=2, whitespace=False), as_characters)}


def read_side(path: Path) -> Side:
    """Read JSON lines (by id), a folder of JSON lines or of unit files (by name), or a text file with one utterance a line.

    The ids of a text file are in a file of the same name with the ending `.ids`, which `prepare_pairs` writes; without one they are
    line numbers. A blank unit file or line is an utterance without units. Raises InputError or UnitError with the place.
    """
    # The output of netflips extract has its shards in a folder of their own.
    inner = path / "shards" if (path / "shards").is_dir() else path
    is_rows = path.is_dir() and any(file.suffix == _TABLE for file in inner.iterdir())
    if path.suffix == _TABLE or is_rows or any(path.glob("part*/shards")):
        return {name: units.ids for name, units in read_units(path).items()}

    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in UNIT_SUFFIXES and not file.name.startswith("."))
        first = {file: next((line for line in _lines(file) if line.strip()), "") for file in files}
        found = {file.relative_to(path).with_suffix("").as_posix(): parse_units(line, file) for file, line in first.items()}
    else:
        lines, beside = _lines(require_file(path, "the units")), path.with_suffix(_IDS)
        names = _lines(beside) if beside.is_file() else [str(number) for number in range(1, len(lines) + 1)]
        if len(names) != len(lines):
            expected = f"{len(names)} as in {beside}"
            raise InputError("the lines of units and of ids differ in number", path=path, expected=expected, found=len(lines))
        found = {name: parse_units(lines[at], f"{path}:{at + 1}") for at, name in enumerate(names)}

    if not found:
        raise InputError("there are no units", path=path, expected="JSON lines, unit files, or lines of units")
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()  # an empty unit file is an utterance without units
    except UnicodeDecodeError as error:
        raise UnitError("this is not a text file", path=path, expected="whole numbers with blanks between") from error


def match(found: Mapping[str, Ids], references: Mapping[str, Ids]) -> list[Pair]:
    """Match the two sides by id, in the order of the references; a single utterance on each side is a pair whatever the ids.

    A reference without a hypothesis is reported, and counts as one with an empty hypothesis. Raises InputError where no reference
    has one.
    """
    if len(found) == len(references) == 1:
        return [Pair.of(name, next(iter(found.values())), reference) for name, reference in references.items()]

    missing = [name for name in references if name not in found]
    if len(missing) == len(references):
        raise InputError("no reference has a hypothesis", expected="the same ids on both sides", found=_some(missing))
    if missing:
        LOG.warning("%s without a hypothesis, counted as wrong: %s", several(len(missing), "reference"), _some(missing))
    if extra := [name for name in found if name not in references]:
        LOG.warning("%s without a reference, left out: %s", several(len(extra), "hypothesis", "hypotheses"), _some(extra))
    nothing = np.zeros(0, dtype=np.int64)
    return [Pair.of(name, found.get(name, nothing), reference) for name, reference in references.items()]


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")


def score_units(options: UnitScoresOptions) -> None:
    """Score units against references. Raises NetflipsError."""
    require_sacrebleu()
    references = read_side(options.references)
    # `netflips translate` keeps what its translator has learnt beside its rows; here it is known by id alone.
    pairs = {name: (np.zeros(0, np.int64), ids) for name, ids in references.items()}
    require_unlearnt(read_learnt(options.hypotheses), pairs, options.references)
    _log_figures(match(read_side(options.hypotheses), references), options)


def score_translations(options: TranslationScoresOptions) -> int | None:
    """Translate a test split and score it; returns 1 where some of it failed. Raises NetflipsError."""
    from unit2unit.inference import KeptTranslations, TranslationRequest, translate_many

    require_sacrebleu()
    path = require_file(checkpoint_or_bundle(options.utut_path, TRANSLATOR), "the translator")
    about = require_file(options.pairs / "data.json", "the report of the pairs", hint="prepare_pairs writes it")
    try:
        from_, to = map(str, read_json(about, "the report of the pairs")["languages"])
    except (ValueError, KeyError, TypeError) as error:
        raise InputError("this does not say the languages of the pairs", path=about, found=error) from error

    sources, references = (read_side(options.pairs / "text" / f"{options.split}.{language}") for language in (from_, to))
    _require_unlearnt(path, options, sources, references)
    out, part = options.rows or options.json, options.part
    if out is None and (part is not None or options.workers > 1):
        raise UsageError("parts keep their translations beside the result", expected="--rows FILE or --json FILE")
    if options.workers > 1:
        share(options.workers, options.device)

    translator = load_translator(path, Running(options.device, options.precision, from_, to))
    mine = sources if part is None else {name: ids for name, ids in sources.items() if part.has(name)}
    given = [TranslationRequest(name, name, lambda ids=ids: Units(ids)) for name, ids in mine.items()]  # type: ignore[misc]
    search = translator.default_search.asked(options.beam, options.max_target_units)

    found, cut, kept = dict[str, Ids](), 0, KeptTranslations(out, part, options.precision)
    with bars(options.quiet) as progress:
        for request, translation in translate_many(translator, given, from_, to, search, progress, len(given), kept):
            if isinstance(translation, NetflipsError):
                LOG.error("%s: %s", request.id, translation)
            else:
                found[request.id] = translation.units.ids
                cut += translation.truncated

    if part is not None:
        LOG.info("part %s: %d of %d translated; without --part all are scored", part, len(found), len(mine))
        return EXIT_FAILED if len(found) < len(mine) else None
    if cut:
        hint = "--max-target-units lets them go on"
        LOG.warning("%s stopped at the limit of length before the end; %s", several(cut, "translation"), hint)
    _log_figures(match(found, references), options, cut)
    kept.remove()
    return EXIT_FAILED if len(found) < len(sources) else None


def _require_unlearnt(path: Path, options: TranslationScoresOptions, sources: Side, references: Side) -> None:
    """Raise InputError where the translator was trained on pairs that it would be scored on, unless these are asked for as such."""
    learnt = read_learnt(path)
    if learnt is None:
        LOG.warning("%s: what it was trained on is not kept beside it, so nobody can say that it does not know these pairs", path)
    else:
        pairs = {name: (sources[name], references[name]) for name in sources if name in references}
        if options.split != TRAIN:
            require_unlearnt(learnt, pairs, options.pairs)
        elif known := learnt.among(pairs):
            LOG.warning("%d of %d pairs were trained on: this is how well they are known, and no score", len(known), len(pairs))


def _log_figures(pairs: list[Pair], options: WrittenScores, cut: int | None = None) -> None:
    """Write and print the figures. cut: number of translations that reached the length limit, None = nothing was translated."""
    scores = score(pairs)
    if options.rows is not None:
        write_rows(options.rows, score_rows(pairs))
    if options.json is not None:
        content = _rounded(scores) | ({} if cut is None else {"truncated": cut})
        write_text(options.json, json.dumps(content, indent=1) + "\n")

    print_text(score_table(scores, cut))
    if ends := scores["unit_error_rate_interval"]:
        print_text(f"unit error rate: 95 % interval {ends['low']:.3f} to {ends['high']:.3f} (bootstrap over utterances)")


def _rounded(content: Any) -> Any:
    if isinstance(content, dict):
        return {name: _rounded(value) for name, value in content.items()}
    return round(content, _ROUND) if isinstance(content, float) else content

"""What a bundle or this machine lacks, and which rows of the table cannot be measured for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from avcore.checkpoints.bundle import Bundle
from avcore.provenance import pip_line
from text2unit.stage import SPELLER
from unit2av.lipsync.mesh.backend import find_table
from unit2av.model import open_renderer_checkpoint
from unit2av.stage import RENDERER
from unit2text.stage import TEXT_READER
from workshop.evaluate.judges import are_judges_here
from workshop.evaluate.row import ExamRow
from workshop.voices.natural import missing_voices

TEXT, SPELLER_KO, ENGLISH_VOICE, MESH_TABLE = "text reader", "Korean speller", "English voice", "table of the mesh"
STOI, ERRORS = "pystoi", "jiwer"
JUDGES, VOICES = "outside judges", "natural voices"
_BY_MAKE = {JUDGES: "make judges", VOICES: "make voices"}
_PACKAGES = (STOI, ERRORS)


@dataclass(frozen=True)
class Absent:
    """A row that is not measured, and why."""

    row: ExamRow
    reason: str


def lacks(bundle: Bundle) -> dict[str, str]:
    """What is not there, and the reason in words that a row which requires it is absent for."""
    renderer = bundle.checkpoint(RENDERER)
    is_there = {
        TEXT: bundle.checkpoint(TEXT_READER).is_file(),
        SPELLER_KO: bundle.checkpoint(SPELLER, "ko").is_file(),
        ENGLISH_VOICE: "en" in open_renderer_checkpoint(renderer).languages,
        MESH_TABLE: find_table(renderer) is not None,
        **{name: find_spec(name) is not None for name in _PACKAGES},
        JUDGES: are_judges_here(),
        VOICES: not missing_voices(),
    }
    return {name: _reason(name) for name, there in is_there.items() if not there}


def _reason(name: str) -> str:
    if name in _BY_MAKE:
        return f"{name} are not installed ({_BY_MAKE[name]})"
    return f"{name} is not installed ({pip_line('metrics')})" if name in _PACKAGES else f"the bundle has no {name}"


def measurable(rows: Sequence[ExamRow], bundle: Bundle) -> tuple[list[ExamRow], list[Absent]]:
    """The rows that can be measured, and the others with the first reason why not."""
    missing = lacks(bundle)
    reasons = [next((missing[name] for name in row.requires if name in missing), "") for row in rows]
    kept = [row for row, reason in zip(rows, reasons, strict=True) if not reason]
    return kept, [Absent(row, reason) for row, reason in zip(rows, reasons, strict=True) if reason]

"""Jobs as folders. `job.json` in each has its request and its state, so that a restarted server knows all jobs."""

import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from avcore.errors import InputError, NetflipsError, UsageError, error_from
from avcore.files import write_text
from avcore.notes import GroupedNote, Note
from avcore.texts import read_json
from netflips.script.files import value_from
from netflips.serve.fields import ReviewRow
from netflips.serve.limits import bilingual

LOG = logging.getLogger("netflips")

WAITING, RUNNING, DONE, FAILED, STOPPED, ASKS = STATES = ("waiting", "running", "done", "failed", "stopped", "asks")
_ID = re.compile(r"[0-9a-f]{32}")
_ABOUT, LOG_FILE, QUALITY_FILE, DRAFT_FILE = "job.json", "log.txt", "verdict.json", "draft.json"
MACHINE_FILE = "machine.json"
"""The draft of a dub before its visitor corrected it."""
DRAFT = "--draft"
"""The option of a dub that ends when its texts are known."""
DAMAGED = ".damaged"
"""Suffix of the folder of a job that cannot be read."""
_MOST_LOG_BYTES = 200_000


def new_id() -> str:
    """Return an id that nobody can guess: 128 random bits."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Return whether a text has the form of an id."""
    return _ID.fullmatch(text) is not None


def require_id(text: str) -> str:
    """Return a text that has the form of an id. Raises UsageError for any other, so that an id is never a path."""
    if not is_id(text):
        raise UsageError("there is no such thing", expected="an id of this server")
    return text


@dataclass(frozen=True)
class KeptNote:
    """A note that a command reported, as the worker sends it: see `avcore.notes.GroupedNote`."""

    code: str
    values: dict[str, Any]
    numbers: tuple[int, ...] = ()
    differ: bool = False


@dataclass
class Job:
    """One job. Times are in seconds since 1970, 0 = not yet."""

    id: str
    visitor: str
    """whose job it is"""
    kind: str
    title: str
    """by which its visitor knows it"""
    words: tuple[str, ...]
    """its command line"""
    values: dict[str, Any]
    """of its form"""
    uploads: dict[str, str] = field(default_factory=dict)
    """id of each file of the form, by field"""
    names: dict[str, str] = field(default_factory=dict)
    """names of these files in the job's folder, by field"""
    shown: dict[str, str] = field(default_factory=dict)
    """the visitor's names of files, by their names here"""
    made_by: str = ""
    """the job that it continues; "" = none"""
    state: str = WAITING
    """one of `STATES`; in `asks` it waits for its visitor to decide whether it goes on"""
    created_s: float = 0.0
    began_s: float = 0.0
    ended_s: float = 0.0
    error: dict[str, Any] = field(default_factory=dict)
    """why it failed, as `NetflipsError.as_json` makes it; {} = it did not"""
    lasts: bool = False
    """whether it would fail again"""
    notes: tuple[KeptNote, ...] = ()
    """what its command reported, each note once"""
    share: float = 0.0
    """of the work that is done, 0..1"""
    stage: str = ""
    """the current one"""
    quality: dict[str, Any] = field(default_factory=dict)
    """how likely its words are right, as `QualityEstimate` writes it; {} = not known"""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in (DONE, FAILED, STOPPED, ASKS)

    def begin(self) -> None:
        """Mark the job as running from now on."""
        self.state, self.began_s, self.ended_s, self.share, self.stage, self.error = RUNNING, time.time(), 0.0, 0.0, "", {}

    def end(self, state: str, error: NetflipsError | None = None, lasts: bool = False) -> None:
        """Mark the job as over."""
        self.state, self.ended_s, self.lasts = state, time.time(), lasts
        self.error = {} if error is None else error.as_json()
        self.share = 1.0 if state == DONE else self.share

    @property
    def is_draft(self) -> bool:
        """Whether it ends when its texts are known, and then asks its visitor."""
        return DRAFT in self.words

    def note(self, note: KeptNote) -> None:
        """Add a note of its command, unless it is there already."""
        if note not in self.notes:
            self.notes += (note,)

    @property
    def public_notes(self) -> list[GroupedNote]:
        """Its notes, with the visitor's names of files."""
        found = []
        for note in self.notes:
            texts = {name: self.in_visitors_words(value) for name, value in note.values.items() if isinstance(value, str)}
            found.append(GroupedNote(Note(note.code, {**note.values, **texts}), note.numbers, note.differ))
        return found

    @property
    def complaint(self) -> dict[str, str]:
        """The error that ended it, in both languages; empty texts where there was none."""
        return bilingual(error_from(self.error)) if self.error else {"error": "", "error_ko": ""}

    def for_visitor(self, content: Mapping[str, Any]) -> NetflipsError:
        """Return the error of its command in the visitor's words. content: as `NetflipsError.as_json` makes it."""

        def worded(part: Any) -> Any:
            if isinstance(part, dict):
                return {name: worded(value) for name, value in part.items()}
            return self.in_visitors_words(part) if isinstance(part, str) else part

        return error_from(worded(dict(content)))

    def in_visitors_words(self, text: str) -> str:
        """Return a text with the visitor's file names in place of ours, and without the server's folders."""
        places = (place for word in self.words for place in (word, *word.split()))
        for place in filter(os.path.isabs, places):
            text = text.replace(place, os.path.basename(place))
        for name, shown in self.shown.items():
            text = text.replace(name, shown)
        return text


def first_draft(folder: Path) -> Path | None:
    """Return the draft in a job's folder that has the machine's own texts; None where there is none."""
    return next((path for path in (folder / MACHINE_FILE, folder / DRAFT_FILE) if path.is_file()), None)


class JobFolders:
    """The folder of all jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, job_id: str) -> Path:
        """Return the folder of a job. Raises UsageError for an invalid id."""
        return self.folder / require_id(job_id)

    def keep(self, job: Job) -> None:
        """Write a job to its `job.json`."""
        write_text(self.of(job.id) / _ABOUT, json.dumps(asdict(job), ensure_ascii=False, indent=1) + "\n")

    def remove(self, job_id: str) -> None:
        """Delete a job with all its files."""
        shutil.rmtree(self.of(job_id), ignore_errors=True)

    def clean(self, keep_s: float) -> None:
        """Remove folders of damaged jobs that are older than `keep_s`."""
        for folder in self.folder.glob(f"*{DAMAGED}"):
            if not folder.is_symlink() and time.time() - folder.stat().st_mtime > keep_s:
                shutil.rmtree(folder, ignore_errors=True)

    def read_all(self) -> Iterator[Job]:
        """Yield the jobs of earlier servers, oldest first. The folder of a damaged job is renamed, with a warning."""
        found = []
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if not is_id(folder.name) or folder.is_symlink():
                continue
            try:
                found.append(_job(folder.name, read_json(folder / _ABOUT, "the job")))
            except InputError as error:
                aside = folder.with_name(folder.name + DAMAGED)
                LOG.warning("%s; its folder is now %s", error, aside.name)
                with suppress(OSError):
                    folder.rename(aside)

        yield from sorted(found, key=lambda job: job.created_s)

    def take_in(self, job_id: str, source: Path, name: str) -> None:
        """Put a file into a job's folder, as a hard link where the disk supports that, else as a copy."""
        target = self.of(job_id) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)  # it may be a link to the very same content
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def quality(self, job_id: str) -> dict[str, Any]:
        """Return the quality estimate that the job's command wrote; {} where it wrote none."""
        path = self.of(job_id) / QUALITY_FILE
        if not path.is_file():
            return {}
        content = read_json(path, "the verdict")
        return content if isinstance(content, dict) else {}

    def log(self, job_id: str) -> str:
        """Return the end of the log of the job's command."""
        path = self.of(job_id) / LOG_FILE
        if not path.is_file():
            return ""

        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MOST_LOG_BYTES))
            return file.read().decode(errors="replace")


def _job(job_id: str, content: Any) -> Job:
    place = f"{job_id}/{_ABOUT}"
    job: Job = value_from(Job, content, "the job", place)
    if job.id != job_id or any(Path(name).name != name for name in job.names.values()):
        raise InputError("this is no job of ours", path=place)
    value_from(tuple[ReviewRow, ...], job.values.get("rows", []), "the job.values.rows", place)
    value_from(dict[str, str], job.values.get("voices", {}), "the job.values.voices", place)
    value_from(dict[str, str], job.values.get("terms", {}), "the job.values.terms", place)

    if job.state not in STATES:
        raise InputError("this job is in no state", path=place, expected=", ".join(STATES), found=job.state)
    return job

"""Jobs as folders: what each was asked for and what became of it stands in its `job.json`, so that a new server knows them."""

import json
import logging
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from avcore.errors import InputError, UsageError
from avcore.files import write_text
from avcore.texts import read_json

LOG = logging.getLogger("netflips")

WAITING, RUNNING, DONE, FAILED, STOPPED = STATES = ("waiting", "running", "done", "failed", "stopped")
_ID = re.compile(r"[0-9a-f]{32}")
_ABOUT, LOG_FILE = "job.json", "log.txt"
_MOST_LOG_BYTES = 200_000
_COMPLAINT = re.compile(r"^[\w. -]{1,40}: (?:unexpected )?error: ")
_WARNING = re.compile(r"(?:^|: )warning: (.*)$", re.MULTILINE)


def new_id() -> str:
    """A name that nobody can guess: 128 random bits."""
    return secrets.token_hex(16)


def require_id(text: str) -> str:
    """Return a text that may be an id. Raises UsageError for any other, so that no id is ever a path."""
    if not _ID.fullmatch(text):
        raise UsageError("there is no such thing", expected="an id of this server")
    return text


@dataclass
class Job:
    """One job. visitor: whose. title: what its visitor knows it by. words: its command line. values: of its form.

    uploads: id of each file of the form, by field; names: what that file is called in the job's folder. shown: what the visitor's
    files were called, by their names here. made_by: the job whose work it takes up, "" = none. created_s, began_s, ended_s: seconds
    since 1970, 0 = not yet. error: why it failed, one line. share: of the work that is done, 0..1; stage: what is under way.
    """

    id: str
    visitor: str
    kind: str
    title: str
    words: list[str]
    values: dict[str, Any]
    uploads: dict[str, str] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)
    shown: dict[str, str] = field(default_factory=dict)
    made_by: str = ""
    state: str = WAITING
    created_s: float = 0.0
    began_s: float = 0.0
    ended_s: float = 0.0
    error: str = ""
    warnings: list[str] = field(default_factory=list)
    share: float = 0.0
    stage: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.state in (DONE, FAILED, STOPPED)

    def begin(self) -> None:
        """It runs from now on."""
        self.state, self.began_s, self.ended_s, self.share, self.stage, self.error = RUNNING, time.time(), 0.0, 0.0, "", ""

    def end(self, state: str, error: str = "") -> None:
        """It is over."""
        self.state, self.ended_s, self.error = state, time.time(), error
        self.share = 1.0 if state == DONE else self.share

    def in_visitors_words(self, text: str) -> str:
        """A message with the visitor's file names in place of ours, and without the server's folders."""
        places = (place for word in self.words for place in (word, *word.split()))
        for place in filter(os.path.isabs, places):
            text = text.replace(place, os.path.basename(place))
        for name, shown in self.shown.items():
            text = text.replace(name, shown)
        return text


class JobFolders:
    """The folder of all jobs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def of(self, job_id: str) -> Path:
        """The folder of a job. Raises UsageError for what is no id."""
        return self.folder / require_id(job_id)

    def keep(self, job: Job) -> None:
        """Write down what is known of a job."""
        write_text(self.of(job.id) / _ABOUT, json.dumps(asdict(job), ensure_ascii=False, indent=1) + "\n")

    def remove(self, job_id: str) -> None:
        """Delete a job with all its files."""
        shutil.rmtree(self.of(job_id), ignore_errors=True)

    def read_all(self) -> Iterator[Job]:
        """The jobs of earlier servers, oldest first. What is no job, or damaged, is left alone, with a word."""
        found = []
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if not _ID.fullmatch(folder.name) or folder.is_symlink():
                continue
            try:
                found.append(_job(folder.name, read_json(folder / _ABOUT, "the job")))
            except InputError as error:
                LOG.warning("%s; it is left alone", error)
        yield from sorted(found, key=lambda job: job.created_s)

    def take_in(self, job_id: str, source: Path, name: str) -> None:
        """Put a file into a job's folder: another name for the same content where the disk can do that, else a copy."""
        target = self.of(job_id) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source, target)
        except OSError:
            shutil.copyfile(source, target)

    def log(self, job_id: str) -> str:
        """The end of what the job's command said."""
        path = self.of(job_id) / LOG_FILE
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MOST_LOG_BYTES))
            return file.read().decode(errors="replace")


def _job(job_id: str, content: Any) -> Job:
    names = {one.name for one in fields(Job)}
    if not isinstance(content, Mapping) or content.get("id") != job_id or not set(content) <= names:
        raise InputError("this is no job of ours", path=f"{job_id}/{_ABOUT}")
    try:
        job = Job(**content)
    except TypeError as error:
        raise InputError("this is no job of ours", path=f"{job_id}/{_ABOUT}", found=error) from error
    if job.state not in STATES:
        raise InputError("this job is in no state", path=f"{job_id}/{_ABOUT}", expected=", ".join(STATES), found=job.state)
    return job


def complaint(log: str) -> str:
    """The last error that a command printed, without its name; "" where there is none."""
    lines = [line for line in log.splitlines() if _COMPLAINT.match(line)]
    return _COMPLAINT.sub("", lines[-1]) if lines else ""


def warnings_in(log: str) -> list[str]:
    """What a command warned of, each once."""
    return list(dict.fromkeys(_WARNING.findall(log)))

"""Keep the texts of a cascade in the work folder, where a user can correct them: as planned at first, as spoken in the end."""

from dataclasses import replace
from pathlib import Path

from avcore.files import atomic_output, write_text
from avcore.notes import json_text
from netflips.dubbing.job import LOG, Job
from netflips.dubbing.store import Store
from netflips.script.files import script_json
from netflips.script.types import Script


def keep_texts(script: Script, store: Store, path: Path) -> None:
    """Write the texts before they are spoken to a file, which the user may correct.

    A file of other texts is kept beside it, since somebody may have corrected it. A file that the check of an earlier dub made from
    the same texts stays.
    """
    content = _content(script)
    before = path.read_bytes() if path.is_file() else None
    if before is not None and _before_check(store, before.decode(errors="replace")) == content:
        return
    if before is not None:
        old = path.with_suffix(".old.json")
        with atomic_output(old) as temporary:
            temporary.write_bytes(before)
        LOG.info("%s: the texts differ from those of before, which are kept as %s", path, old.name)
    write_text(path, content)


def write_final_texts(script: Script, job: Job) -> None:
    """Replace the planned texts by those that are spoken, after the check."""
    path, content = job.texts_file, _content(script)
    if not path.is_file():
        return
    there = path.read_text(encoding="utf-8")
    if there != content:
        job.store.keep("spoken", (content,), _before_check(job.store, there))
        write_text(path, content)


def _before_check(store: Store, content: str) -> str:
    """Return the texts from which a check made this content, or the content itself if no check did."""
    return store.find(str, "spoken", (content,)) or content


def _content(script: Script) -> str:
    utterances = tuple(
        replace(one, seen=None, units=None, fit=None, attempts=(), drawn=None, notes=(), quality=None) for one in script.utterances
    )
    return json_text(script_json(replace(script, utterances=utterances, quality=None)), indent=1) + "\n"

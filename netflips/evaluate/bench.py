"""Programs that dub, side by side on clips that may be given away.

    BENCH/clips.jsonl            {"id", "source", "reference_text", "subtitles"?, "kind"?}; made where it is not there
    BENCH/systems/NAME/ID.mp4    what a program made of each clip; its subtitles beside it (ID.srt, ID.ko.srt, ...)
    BENCH/systems/NAME/system.yaml   name, how: what the program is, and how it was run

NetfLips' own roads (`roads/*.yaml`) write such folders themselves; of other programs the folder is put there by hand. The results
are BENCH/table.md, metrics.json, page.html, whose players play the files of BENCH, and listen.html, a blind comparison.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from avcore.command import LOG
from avcore.errors import InputError, NetflipsError, UsageError
from avcore.files import write_text
from avcore.journal import iter_rows
from avcore.progress import Progress
from avcore.texts import parse_yaml, read_yaml

MANIFEST, CLIPS, SYSTEMS, ADAPTER = "clips.jsonl", "clips", "systems", "system.yaml"
TABLE, METRICS, PAGE, LISTEN = "table.md", "metrics.json", "page.html", "listen.html"
_FORM = '{"id": ..., "source": ..., "reference_text": ...}'
_ENDINGS = (".mp4", ".mkv", ".mov", ".webm", ".wav")
_SUBTITLES = (".srt", ".vtt", ".ass", ".smi")


@dataclass(frozen=True)
class BenchClip:
    """A line of the manifest. subtitles: of what a dub should say, with times; None = there are none. kind: what is hard in it."""

    id: str
    source: Path
    reference_text: str
    subtitles: Path | None = None
    kind: str = ""


@dataclass(frozen=True)
class System:
    """A program and what it made. folder: its name in the table's files. how: it was run. dubs, texts: by clip; texts are those of
    its subtitles."""

    folder: str
    name: str
    how: str
    dubs: Mapping[str, Path]
    texts: Mapping[str, str]


def read_clips(folder: Path) -> list[BenchClip]:
    """Read the manifest of a bench. Raises InputError for lines that are none, twice the same id, and files that are not there."""
    path, found = folder / MANIFEST, dict[str, BenchClip]()
    for number, row in iter_rows(path):
        lacking = [name for name in ("id", "source", "reference_text") if not str(row.get(name) or "").strip()]
        if lacking:
            raise InputError(f"line {number} has no {', no '.join(lacking)}", path=path, expected=_FORM)
        given = row.get("subtitles")
        clip = BenchClip(row["id"], folder / row["source"], row["reference_text"], folder / given if given else None,
                         str(row.get("kind", "")))  # fmt: skip
        if clip.id in found or Path(clip.id).name != clip.id:
            raise InputError(f"line {number}: ids name files, each once", path=path, expected="a plain name", found=clip.id)
        if absent := [one for one in (clip.source, clip.subtitles) if one is not None and not one.is_file()]:
            raise InputError(f"line {number}: a file is not there", path=path, found=absent[0])
        found[clip.id] = clip
    if not found:
        raise InputError("the bench has no clips", path=path, expected=_FORM)
    return list(found.values())


def roads() -> dict[str, Any]:
    """Return NetfLips' roads by name: how each is called, said to be run, and its options of `netflips.dub`."""
    there = files("netflips.evaluate").joinpath("roads").iterdir()
    texts = {one.name.partition(".yaml")[0]: one.read_text(encoding="utf-8") for one in there if one.name.endswith(".yaml")}
    return {name: parse_yaml(texts[name]) for name in sorted(texts)}


def run_road(name: str, road: Mapping[str, Any], clips: Sequence[BenchClip], folder: Path, progress: Progress) -> str:
    """Dub what a road has not dubbed yet, each sentence in its place; returns why it cannot run here, "" = it can.

    What fails of one clip is told and tried again next time.
    """
    import netflips
    from netflips.version import __version__

    out, why = folder / SYSTEMS / name, ""
    for done, clip in enumerate(clips):
        progress(f"road {name}", done, len(clips))
        dub = out / f"{clip.id}.mp4"
        if dub.is_file():
            continue
        out.mkdir(parents=True, exist_ok=True)
        if clip.subtitles is None and "{subtitles}" in road["options"].values():
            return f"{clip.id} has no subtitles"
        words = {"subtitles": str(clip.subtitles), "python": sys.executable}
        options: dict[str, Any] = {
            key: one.format(**words) if isinstance(one, str) else one for key, one in road["options"].items()
        }
        try:
            netflips.dub(clip.source, dub, to="ko", timing="source", subtitles="target", report=dub.with_suffix(".json"),
                         quiet=True, yes=True, **options)  # fmt: skip
        except UsageError as error:  # of the options, not of the clip
            return str(error)
        except NetflipsError as error:
            LOG.warning("%s, %s: failed: %s", name, clip.id, error)
            why = str(error)
    progress(f"road {name}", len(clips), len(clips))
    if not any(out.glob("*.mp4")):
        return why
    write_text(out / ADAPTER, f"name: {json.dumps(road['name'])}\nhow: {json.dumps(road['how'])}\nversion: {__version__}\n")
    return ""


def read_systems(folder: Path, clips: Sequence[BenchClip]) -> list[System]:
    """Read what programs made of the clips. Raises InputError for a folder that does not say what it is of, or has no clip."""
    from netflips.subtitles.given import read_subtitles

    found = list[System]()
    for place in sorted(one for one in (folder / SYSTEMS).iterdir() if one.is_dir()) if (folder / SYSTEMS).is_dir() else []:
        if not (place / ADAPTER).is_file():
            continue  # a road that was not finished
        about = read_yaml(place / ADAPTER, "what the program is")
        if not isinstance(about, dict) or not all(isinstance(about.get(key), str) and about[key] for key in ("name", "how")):
            raise InputError("it does not say what made these dubs", path=place / ADAPTER, expected="name: ..., how: it was run")
        version = f" ({about['version']})" if about.get("version") else ""
        dubs = {clip.id: path for clip in clips for ending in reversed(_ENDINGS) if (path := place / (clip.id + ending)).is_file()}
        if not dubs:
            raise InputError("it has none of the clips", path=place, expected=f"{clips[0].id}.mp4, ...")
        texts = dict[str, str]()  # of subtitles beside a dub
        for name, dub in dubs.items():
            beside = [path for path in sorted(place.glob(f"{dub.stem}.*")) if path.suffix.lower() in _SUBTITLES]
            if beside and (text := " ".join(cue.text for cue in read_subtitles(beside[0], "en", "ko").cues if cue.text)):
                texts[name] = text
        found.append(System(place.name, about["name"] + version, about["how"], dubs, texts))
    return found

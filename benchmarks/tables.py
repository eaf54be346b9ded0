"""Results as Markdown: each function takes all parts' files and gives a table, "" when its part was not measured."""

import statistics
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from avcore.timeline import FRAME_RATE
from benchmarks.rows import ALL_STAGES, BEAM, LAID_OUT, MOUTH_STAGES, STAGES, Row, rows

Results = dict[str, dict[str, Any]]
_NAMES = {
    "av2unit": "speech and lips to units", "unit2unit": "translation", "vocoder": "speech", "lips": "lips",
    "unit2text": "lips to text", "text2unit": "text to units",
}  # fmt: skip
GROWTH_PICTURE = "images/performance_growth.png"
"""As seen from docs."""
_SHORT_S = 10.0
_OTHER_MODELS = {
    **dict.fromkeys(("roofline", "plans"), "none"),
    **dict.fromkeys(("many", "evaluate", "bounds"), "the bundle's"),
    "growth": "small",
}
"""Parts that do not use random checkpoints of the size that was asked for."""
_ALL_CORES = ("dub", "overlap", "growth", "many", "evaluate")
_TWO_THREADS = 2
"""Of the part that has one of two cores taken."""
_GIB = 1024
_NONE = "-"


def table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    body = [f"| {' | '.join(cells)} |" for cells in lines]
    return "\n".join([f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}", *body]) if body else ""


def short(results: Results) -> str:
    """What the README shows: seconds, and how many times as fast as the baseline."""
    lines = [*(_short_stage(results, stage) for stage in ALL_STAGES if stage in results), *_short_whole(results)]
    if not lines:
        return ""
    head = ("one thread, CPU seconds", "baseline", "`--precision float32`", "`--precision auto`", "n")
    text = f"{_machine(results)}\n\n{table(head, lines)}"
    dubbed = _short_dubs(results)
    return f"{text}\n\n{dubbed}" if dubbed else text


def _short_stage(results: Results, stage: str) -> list[str]:
    there = [row for row in rows(results[stage]["points"]) if not row.keeps]
    amount = max((row.amount for row in there if stage == "unit2unit" or row.amount <= _SHORT_S), default=there[0].amount)
    chosen = [row for row in there if row.amount == amount]
    unit = f"{amount:g} steps, beam {BEAM}" if stage == "unit2unit" else f"a second of video, in clips of {amount:g} s"
    cells = [_NAMES[stage] + f", {unit}"]
    each = 1 if stage == "unit2unit" else amount
    for who in (None, "ours, float32", "ours, auto"):
        row = next((row for row in chosen if row.who == who or (who is None and not row.who.startswith("ours"))), None)
        cells.append(_NONE if row is None else f"{row.cpu_s / each:.2f}{_times(row)}")
    return [*cells, str(chosen[0].runs)]


def _times(row: Row) -> str:
    if not row.who.startswith("ours"):
        return " (fairseq)" if row.who == "fairseq" else ""
    return "" if row.ratio is None else f": {row.ratio:.1f} times as fast"


def _short_whole(results: Results) -> list[list[str]]:
    lines = []
    for part, what, base, how in (
        ("chain", "all stages, 5 s of speech, 150 steps", "published", ""),
        ("chain", "the same, weights laid out before (`netflips convert --for cpu`)", "published", LAID_OUT),
        ("start", "models loaded, first picture decoded (baseline: torch.load)", "torch.load", ""),
    ):
        if part in results:
            found = _by_name(results[part]["points"])
            spent = {name: _median_cpu_s(runs) for name, runs in found.items()}
            shown = [f"{spent[base]:.2f}" if base in spent else _NONE]
            for who in (f"ours, float32{how}", f"ours, auto{how}"):
                there = who in spent and base in spent
                shown.append(f"{spent[who]:.2f}: {spent[base] / spent[who]:.1f} times as fast" if there else _NONE)
            lines.append([what, *shown, "/".join(sorted({str(len(runs)) for runs in found.values()}))])
    return lines


def _short_dubs(results: Results) -> str:
    if "dub" not in results:
        return ""
    lines = [
        [f"{runs[0]['media_s']:.0f} s, {runs[0]['precision']}", *_dub_cells(runs)]
        for runs in _by_name(results["dub"]["points"]).values()
    ]
    head = ("a dub from file to file, 720p, all cores", "wall s per s", "CPU s per s", "peak memory", "n")
    return table(head, lines)


def stages(results: Results) -> str:
    """Each stage, length, side and allocator, with what share of the machine it reaches."""
    peaks = results.get("roofline", {}).get("points", {}).get("peaks", {})
    lines = []
    for stage in (stage for stage in ALL_STAGES if stage in results):
        points = results[stage]["points"]
        lines += [_stage_cells(row, points.get("work"), peaks) for row in rows(points)]
    head = (
        "stage", "of", "who", "allocator", "n", "CPU s per s of video", "wall", "times the baseline", "peak MiB",
        "GFLOP/s (share)", "GB/s (share)", "result against the baseline",
    )  # fmt: skip
    return table(head, lines)


def _stage_cells(row: Row, work: dict[str, float] | None, peaks: dict[str, float]) -> list[str]:
    unit = "steps" if row.stage == "unit2unit" else "s"
    ratio = _NONE if row.ratio is None else f"{row.ratio:.2f}"
    if row.baseline_amount < row.amount and row.ratio is not None:
        ratio += f" (of {row.baseline_amount:g} {unit})"
    return [
        row.stage,
        f"{row.amount:g} {unit}",
        row.who,
        "keeps freed memory" if row.keeps else "default",
        str(row.runs),
        f"{row.cpu_s / row.media_s:.3f}",
        f"{row.wall_s / row.media_s:.3f}",
        ratio,
        f"{row.peak_mib:.0f}",
        *_shares(row, work, peaks),
        row.agreement,
    ]


def _shares(row: Row, work: dict[str, float] | None, peaks: dict[str, float]) -> tuple[str, str]:
    """Operations and bytes a second, and which share of the machine's that is. In bfloat16 there are half the bytes."""
    if not work or not peaks:
        return _NONE, _NONE
    is_low = row.who == "ours, auto" and "bfloat16_gflop_s" in peaks
    gflop_s = work["flops"] * row.amount / row.cpu_s / 1e9
    gb_s = (0.5 if is_low else 1.0) * work["bytes"] * row.amount / row.cpu_s / 1e9
    peak = peaks["bfloat16_gflop_s" if is_low else "float32_gflop_s"]
    return f"{gflop_s:.0f} ({gflop_s / peak:.0%})", f"{gb_s:.1f} ({gb_s / peaks['read_gb_s']:.0%})"


def mouths(results: Results) -> str:
    """What moves lips in whole pictures: pictures a second of one thread, and memory by length."""
    lines = []
    for stage in (stage for stage in MOUTH_STAGES if stage in results):
        _, mouth, height = stage.split("-")
        for row in rows(results[stage]["points"]):
            ratio = _NONE if row.ratio is None else f"{row.ratio:.2f}"
            shown = "keeps freed memory" if row.keeps else "default"
            speed = f"{float(FRAME_RATE) * row.amount / row.cpu_s:.0f}"
            lines.append([mouth, height, f"{row.amount:g} s", row.who, shown, str(row.runs), speed, ratio, f"{row.peak_mib:.0f}"])
    return table(("mouth", "pictures", "of", "who", "allocator", "n", "pictures a CPU s", "times the baseline", "peak MiB"), lines)


def evaluation(results: Results) -> str:
    """Seconds a clip of `netflips evaluate dubs`: what more clips take more."""
    found = _by_name(results.get("evaluate", {}).get("points", {}))
    lines = [
        [name, str(len(runs)), *(f"{_median(runs, what):.1f}" for what in ("wall_s", "cpu_s")), f"{_median(runs, 'peak_mib'):.0f}"]
        for name, runs in found.items()
    ]
    text = table(("dubs", "n", "wall s", "CPU s", "peak MiB"), lines)
    if len(found) < 2:
        return text
    few, *_, many = found.values()
    clips = many[0]["clips"] - few[0]["clips"]
    wall_s, cpu_s = ((_median(many, what) - _median(few, what)) / clips for what in ("wall_s", "cpu_s"))
    return f"{text}\n\nA clip more takes {wall_s:.2f} s ({cpu_s:.2f} s of processor time)."


def work(results: Results) -> str:
    """Operations and bytes of each stage, and what the machine can do."""
    lines = [
        [
            f"{stage}, {'a step of the decoder' if stage == 'unit2unit' else 'a second of video'}",
            f"{found['flops'] / 1e9:.2f}",
            f"{found['bytes'] / 1e6:.0f}",
            f"{found['flops'] / found['bytes']:.0f}",
        ]
        for stage in ALL_STAGES
        if (found := results.get(stage, {}).get("points", {}).get("work"))
    ]
    text = table(("float32", "GFLOP", "MB that cross memory", "FLOP a byte"), lines)
    if peaks := results.get("roofline", {}).get("points", {}).get("peaks"):
        products = ", ".join(f"{name.removesuffix('_gflop_s')} {value:.0f}" for name, value in peaks.items() if "flop" in name)
        text += f"\n\nOne thread of this machine reads {peaks['read_gb_s']:.0f} GB/s; packed matrix products, GFLOP/s: {products}."
    return text.strip()


def whole(results: Results) -> str:
    """Chain, start, and a core that is taken."""
    lines = [line for part, base in (("chain", "published"), ("start", "torch.load")) for line in _whole_lines(results, part, base)]
    head = ("what", "who", "n", "CPU s", "times the baseline", "peak MiB", "CPU s of the parts")
    return "\n\n".join(filter(None, (table(head, lines), _contention(results))))


def _whole_lines(results: Results, part: str, base: str) -> Iterator[list[str]]:
    found = _by_name(results.get(part, {}).get("points", {}))
    for name, runs in found.items():
        spent = _median_cpu_s(runs)
        ratio = f"{_median_cpu_s(found[base]) / spent:.2f}" if base in found else _NONE
        inside = ", ".join(f"{stage} {_median(runs, stage):.2f}" for stage in STAGES if stage in runs[0])
        yield [part, name, str(len(runs)), f"{spent:.2f}", ratio, f"{max(run['peak_mib'] for run in runs):.0f}", inside]


def _contention(results: Results) -> str:
    found = _by_name(results.get("contention", {}).get("points", {}))
    lines = []
    for stage in (name.removesuffix(", idle") for name in found if name.endswith(", idle")):
        idle, taken = (found.get(f"{stage}, {state}", []) for state in ("idle", "taken"))
        if taken:
            seconds = _median(idle, "wall_s"), _median(taken, "wall_s")
            lines.append([stage, str(len(taken)), *(f"{value:.2f}" for value in seconds), f"{seconds[1] / seconds[0]:.2f}"])
    return table(("two threads, wall s", "n", "both cores idle", "one taken by another process", "ratio"), lines)


def dubs(results: Results) -> str:
    """Dubs from file to file, and what the parts side by side save."""
    head = ("clip", "wall s per s", "CPU s per s", "peak memory", "n", "wall s of the parts (side by side they add up to more)")
    lines = [
        [f"{runs[0]['media_s']:.0f} s, {runs[0]['precision']}", *_dub_cells(runs), _stage_seconds(runs[0])]
        for runs in _by_name(results.get("dub", {}).get("points", {})).values()
    ]
    text = table(head, lines)
    ways = results.get("overlap", {}).get("points", {})
    if len(ways) == 2:
        one, other = ways["side by side"], ways["one by one"]
        text += (
            f"\n\nA clip of {one['media_s']:.0f} s with its parts one by one: {other['wall_s']:.1f} s of wall time; side by side: "
            f"{one['wall_s']:.1f} s, {one['wall_s'] / other['wall_s']:.2f} of it (n = 1)."
        )
    return text.strip()


def growth(results: Results) -> str:
    """Dubs with small models, by length."""
    lines = [
        [f"{run['media_s']:.0f} s", f"{run['wall_s']:.1f}", f"{run['cpu_s']:.1f}", f"{run['cpu_s'] / run['media_s']:.2f}",
         f"{run['peak_mib']:.0f}"]
        for run in sorted(results.get("growth", {}).get("points", {}).values(), key=lambda run: run["media_s"])
    ]  # fmt: skip
    text = table(("clip", "wall s", "CPU s", "CPU s per s", "peak MiB"), lines)
    return text and f"{text}\n\n![Time and memory of a dub by length]({GROWTH_PICTURE})"


def many(results: Results) -> str:
    """Videos dubbed on Ray: workers side by side, against as many times one worker on one core."""
    found: dict[tuple[str, str], list[dict]] = {}
    for name, run in results.get("many", {}).get("points", {}).items():
        kind, who = name.split(", ")[:2]
        found.setdefault((kind, who), []).append(run)
    lines = []
    for (kind, who), runs in found.items():
        alone = found[kind, next(other for of, other in found if of == kind)]
        shares = [_rate([run]) / run["workers"] / _rate([base]) for run, base in zip(runs, alone, strict=False)]
        share = _rate(runs) / runs[0]["workers"] / _rate(alone[: len(runs)])
        done, media_s = (sum(run[what] for run in runs) for what in ("done", "media_s"))
        counted = all("cpu_s" in run for run in runs)
        cpu = f"{sum(run['cpu_s'] for run in runs) / media_s:.2f}" if counted else _NONE
        lines.append([
            kind, who, str(len(runs)), str(done), f"{media_s:.0f} s", f"{_rate(runs):.2f}", cpu,
            f"{max(run['others_cores'] for run in runs):.2f}" if counted else _NONE, f"{max(run['peak_mib'] for run in runs):.0f}",
            _NONE if runs[0]["workers"] == 1 else f"{share:.2f} ({min(shares):.2f} to {max(shares):.2f})",
        ])  # fmt: skip
    head = ("videos", "who", "n", "dubbed", "media", "s of media a second", "CPU s per s", "others on, at most", "peak MiB",
            "share of the parts (by stretch)")  # fmt: skip
    return table(head, lines)


def _rate(runs: list[dict]) -> float:
    return sum(run["media_s"] for run in runs) / sum(run["wall_s"] for run in runs)


def plans(results: Results) -> str:
    """Bulk runs planned and listed, by the number of utterances."""
    found: dict[int, dict[str, dict]] = {}
    for name, run in results.get("plans", {}).get("points", {}).items():
        count, step = name.split(", ")
        found.setdefault(int(count), {})[step] = run
    lines = []
    for count, steps in found.items():
        fresh, again = steps["fresh"], steps["again"]
        seconds = [fresh["seconds"][what] for what in ("read", "plan", "list")]
        seconds += [steps["close"]["seconds"]["close"], again["seconds"]["read"] + again["seconds"]["plan"]]
        peaks = [run["peak_mib"] - run["before_mib"] for run in (fresh, again)]
        lines.append([f"{count:,}", *(f"{one:.2f}" for one in seconds), *(f"{one:.0f}" for one in peaks)])
    head = ("utterances", "read s", "plan s", "list all tasks s", "write all rows s", "read and plan again s",
            "MiB more than at the start", "the same, planned again")  # fmt: skip
    return table(head, lines)


def bounds(results: Results) -> str:
    """How far `auto` is from float32 on speech of the demo bundle."""
    figures = results.get("bounds", {}).get("points", {}).get("demo", [])
    lines = [
        [figure["name"], f"{figure['value']:.5f}", f"{figure['bound']:g}", "yes" if figure["holds"] else "no"] for figure in figures
    ]
    return table(("figure", "value", "bound", "kept"), lines)


def conditions(results: Results) -> str:
    """When each part was measured, and how busy the machine was at its start."""
    lines = []
    for part, result in results.items():
        about = result["about"]
        threads = _TWO_THREADS if part == "contention" else about["dub_threads" if part in _ALL_CORES else "threads"]
        models = _OTHER_MODELS.get(part, about["size"])
        commits = (about["commit"], about["baseline_commit"])
        lines.append([part, about["date"], models, str(threads), str(about["load"]), *commits])
    return table(("part", "date", "models", "threads", "load at its start", "commit", "baseline's commit"), lines)


def _machine(results: Results) -> str:
    abouts = [results[part]["about"] for part in (*ALL_STAGES, "chain", "start", "dub") if part in results]
    about, dates = abouts[0], sorted(one["date"] for one in abouts)
    days = " to ".join(dict.fromkeys((dates[0], dates[-1])))
    commits = ", ".join(dict.fromkeys(one["baseline_commit"] for one in abouts))
    return (
        f"{about['cpu']}, {about['cores']} cores{', avx512_bf16' if about['has_bfloat16'] else ''}; torch {about['torch']}; "
        f"{about['size']} size, random weights; glibc's allocator as it is on both sides (all stages in a row: ours keeps freed "
        f"memory, as our commands do); baseline: plain eager float32 (`benchmarks/reference` at {commits}), for "
        f"the translation fairseq's generator; {days}, each part's day in docs/performance.md."
    )


def _by_name(points: dict[str, dict]) -> dict[str, list[dict]]:
    """Runs by name, without their rounds."""
    found: dict[str, list[dict]] = {}
    for name, run in points.items():
        found.setdefault(name.partition(", round ")[0], []).append(run)
    return found


def _median(runs: list[dict], what: str) -> float:
    return statistics.median(run[what] for run in runs)


def _median_cpu_s(runs: list[dict]) -> float:
    """Of a run that says it, or of the stages that it consists of."""
    return statistics.median(run["cpu_s"] if "cpu_s" in run else sum(run[stage] for stage in STAGES) for run in runs)


def _dub_cells(runs: list[dict]) -> list[str]:
    wall, cpu = (_median(runs, what) / runs[0]["media_s"] for what in ("wall_s", "cpu_s"))
    return [f"{wall:.2f}", f"{cpu:.2f}", f"{max(run['peak_mib'] for run in runs) / _GIB:.1f} GiB", str(len(runs))]


def _stage_seconds(run: dict) -> str:
    return ", ".join(f"{name.removeprefix('stage ')} {run[name]:.1f}" for name in run if name.startswith("stage "))

"""No import circle, imports inside functions and for types counted: the test walks the syntax trees and names the circle."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("av2unit", "unit2unit", "unit2av", "unit2text", "text2unit")
PACKAGES = ("avcore", *STAGES, "netflips", "recipes", "benchmarks")


def _modules() -> dict[str, Path]:
    files = (path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
    return {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path for path in files}


def _imported(tree: ast.AST, modules: dict[str, Path]) -> Iterator[str]:
    """The modules of the project that a file names in its imports, wherever they stand."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            while name and name not in modules:
                name = name.rpartition(".")[0]
            if name:
                yield name


def circles(arrows: dict[str, set[str]]) -> list[list[str]]:
    """The circles of a graph: sets of two or more nodes that reach one another."""
    while ends := {one for one in arrows if not arrows[one] & arrows.keys()}:
        arrows = {one: others - ends for one, others in arrows.items() if one not in ends}
    reached = {one: _reach(one, arrows) for one in arrows}
    found = {tuple(sorted({one} | {other for other in reached[one] if one in reached[other]})) for one in arrows}
    return sorted(list(circle) for circle in found if len(circle) > 1)


def _reach(start: str, arrows: dict[str, set[str]]) -> set[str]:
    seen, waiting = set[str](), [start]
    while waiting:
        for one in arrows[waiting.pop()] - seen:
            seen.add(one)
            waiting.append(one)
    return seen


def test_no_module_reaches_itself() -> None:
    modules = _modules()
    trees = {name: ast.parse(path.read_text(encoding="utf-8")) for name, path in modules.items()}
    arrows = {name: set(_imported(tree, modules)) - {name} for name, tree in trees.items()}
    assert len(arrows) > 300  # else the walk found nothing
    assert circles(arrows) == []


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]
    assert circles({"a": {"b"}, "b": set()}) == []


def test_no_stage_names_another_at_run_time() -> None:
    """A stage that asked for another by a name in a text would keep the dependency rule in letters only."""
    for package in STAGES:
        others = set(STAGES) - {package}
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            texts = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}
            assert not texts & others, f"{path.relative_to(ROOT)} names {sorted(texts & others)}"

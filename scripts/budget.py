"""Count code lines against the budget of pyproject.toml: `make rules`.

Code is what is no blank line, no comment and no documentation. Three counts have a limit: what `netflips.dubbing.dub` can reach by
imports (also those inside functions), the packages of the wheel, and the tests. A limit only goes down, or up by what a feature is
allowed; whoever adds takes out.
"""

import ast
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DUB = "netflips.dubbing.dub"


def code_lines(text: str, tree: ast.Module) -> int:
    """Return the number of lines that are code. Texts that stand by themselves are documentation."""
    documentation = set[int]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            documentation.update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    lines = enumerate(map(str.strip, text.splitlines()), 1)
    return sum(bool(line) and not line.startswith("#") and number not in documentation for number, line in lines)


def imported(tree: ast.Module, package: str) -> set[str]:
    """Return the modules that a file may import, with the packages on the way. package: that of the file."""
    names = set[str]()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            names |= {base, *(f"{base}.{alias.name}" for alias in node.names)}
    return names | {name.rsplit(".", depth)[0] for name in names for depth in range(1, name.count(".") + 1)}


def counts(packages: list[str]) -> dict[str, int]:
    """Return the three counts, by their names in pyproject.toml. packages: those of the wheel."""
    lines, edges = dict[str, int](), dict[str, set[str]]()
    own = [path for package in (*packages, "tests") for path in sorted((ROOT / package).rglob("*.py"))]
    for path in (*own, ROOT / "inference_av2av.py"):
        parts = path.relative_to(ROOT).with_suffix("").parts
        is_package = parts[-1] == "__init__"
        name = ".".join(parts[:-1] if is_package else parts)
        text = path.read_text(encoding="utf-8")
        tree = ast.parse(text)
        lines[name], edges[name] = code_lines(text, tree), imported(tree, name if is_package else name.rpartition(".")[0])

    reached, left = set[str](), [DUB]
    while left:
        name = left.pop()
        if name in lines and name not in reached:
            reached.add(name)
            left += edges[name]
    tests = sum(count for name, count in lines.items() if name.partition(".")[0] == "tests")
    return {"dub": sum(lines[name] for name in reached), "wheel": sum(lines.values()) - tests, "tests": tests}


def main() -> int:
    """Print the counts; 1 if one is over its limit."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    packages = [one.removesuffix("*") for one in project["setuptools"]["packages"]["find"]["include"]]
    limits, found = project["netflips"]["code_lines"], counts(packages)
    for name, count in found.items():
        sys.stdout.write(f"{name}: {count:,} code lines of {limits[name]:,} at most\n")
    return int(any(count > limits[name] for name, count in found.items()))


if __name__ == "__main__":
    sys.exit(main())

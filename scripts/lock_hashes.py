"""Write the digests of all files into the locks of requirements/, for `pip install --require-hashes`.

    .venv/bin/python scripts/lock_hashes.py            # after versions in a lock were changed

Each line gets the digests of the files that pip chooses on Linux x86-64 for each Python of the project.
"""

import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from avcore.files import write_text

LOCKS = Path(__file__).resolve().parent.parent / "requirements"
_PYTHONS = ("3.11", "3.12")


def main() -> int:
    """Rewrite all locks; returns the exit code."""
    for lock in sorted(LOCKS.glob("*.lock")):
        lines = [line.split(" --hash=")[0] for line in lock.read_text().splitlines()]
        pinned = [line for line in lines if line and not line.startswith("#")]
        digests: dict[str, set[str]] = {}
        for python in _PYTHONS:
            for name, digest in _chosen(pinned, python).items():
                digests.setdefault(name, set()).add(digest)
        hashed = [line + "".join(f" --hash={one}" for one in sorted(digests.get(_name(line), ()))) for line in lines]
        write_text(lock, "\n".join(hashed) + "\n")
        print(f"{lock.name}: {len(pinned)} packages")
    return 0


def _chosen(pinned: list[str], python: str) -> dict[str, str]:
    """Return the digest of the file that pip would install for each package, by its name."""
    with tempfile.TemporaryDirectory() as folder:
        wanted, report = Path(folder, "wanted.txt"), Path(folder, "report.json")
        wanted.write_text("\n".join(pinned))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--dry-run", "--target", folder]
        command += ["--python-version", python, "--report", str(report), "-r", str(wanted)]
        subprocess.run(command, check=True)
        installed = json.loads(report.read_text())["install"]
    return {
        _name(one["metadata"]["name"]): "sha256:" + one["download_info"]["archive_info"]["hashes"]["sha256"] for one in installed
    }


def _name(line: str) -> str:
    return re.sub(r"[-_.]+", "-", line.split("==")[0]).lower()


if __name__ == "__main__":
    sys.exit(main())

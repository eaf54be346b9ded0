"""`netflips prepare`: speech corpora and folders of video to what extraction and training read."""

import sys
from collections.abc import Sequence
from importlib import import_module

from avcore.errors import EXIT_BAD_INPUT, EXIT_DONE

CORPORA = {
    "kox": ("netflips.corpora.prepare_kox", "AIHub Ko-X: Korean speech with English text or speech"),
    "zeroth": ("netflips.corpora.prepare_zeroth", "Zeroth Korean (OpenSLR 40)"),
    "lips": ("netflips.corpora.prepare_aihub_lips", "AIHub's Korean lip-reading video"),
    "video": ("netflips.corpora.prepare_video", "a folder of talking-head videos"),
}


def usage() -> str:
    """The list of corpora."""
    lines = [f"  {name:<10} {what}" for name, (_, what) in CORPORA.items()]
    return "\n".join(["usage: netflips prepare CORPUS [options]", "", *lines, "", "netflips prepare CORPUS --help says more."])


def main(argv: Sequence[str] | None = None) -> int:
    """Prepare a corpus and return the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        (sys.stdout if arguments else sys.stderr).write(usage() + "\n")
        return EXIT_DONE if arguments else EXIT_BAD_INPUT
    if arguments[0] not in CORPORA:
        sys.stderr.write(f"netflips prepare: error: no corpus called {arguments[0]!r}; expected {', '.join(CORPORA)}\n")
        return EXIT_BAD_INPUT
    module, _ = CORPORA[arguments[0]]
    return int(import_module(module).main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main())

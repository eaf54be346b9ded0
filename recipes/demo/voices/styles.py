"""Convert Kokoro's voices of all languages, from the package `kokoro-js` (npm; Apache-2.0), to one file for the network.

    npm pack kokoro-js@1.2.1
    python -m recipes.demo.voices.styles kokoro-js-1.2.1.tgz

The network that `make voices` installs comes with its Japanese voices only; the others are vectors for the same network.
"""

import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from avcore.command import LOG
from avcore.errors import InputError, reason
from avcore.files import Input, atomic_output
from avcore.flags import Command, QuietOptions, positional
from netflips.cascade.kokoro import MORE_STYLES

_WIDTH = 256
"""Values of a style; a voice has one style for each length of the phoneme text."""
_FOLDER = PurePosixPath("package/voices")


def read_styles(package: Path) -> dict[str, NDArray[np.float32]]:
    """Return the styles by name, float32 [510, 256]. Raises InputError for another file."""
    found = dict[str, NDArray[np.float32]]()
    try:
        with tarfile.open(package) as archive:
            for member in archive:
                path = PurePosixPath(member.name)
                content = archive.extractfile(member) if path.parent == _FOLDER and path.suffix == ".bin" else None
                if content is not None:
                    found[path.stem] = np.frombuffer(content.read(), np.float32).reshape(-1, _WIDTH)
    except (tarfile.TarError, OSError, ValueError) as error:
        raise InputError("this is no package of voices", path=package, found=reason(error), hint="npm pack kokoro-js") from error

    if not found:
        raise InputError("the package has no voices", path=package, expected=f"{_FOLDER}/*.bin", hint="npm pack kokoro-js")
    return found


@dataclass(frozen=True, kw_only=True)
class StylesOptions(QuietOptions):
    """Keep Kokoro's voices of all languages where its network looks for them."""

    package: Path = positional("PACKAGE", file=Input("the package of voices"))
    """kokoro-js-1.2.1.tgz, as npm pack fetches it"""


def _work(options: StylesOptions) -> None:
    styles = read_styles(options.package)
    MORE_STYLES.parent.mkdir(exist_ok=True)
    with atomic_output(MORE_STYLES) as path, path.open("wb") as file:
        np.savez(file, **styles)
    LOG.info("%s: %d voices", MORE_STYLES, len(styles))


_COMMAND = Command(StylesOptions, "recipes.demo.voices.styles", _work)
build_parser, main = _COMMAND.parser, _COMMAND.main

if __name__ == "__main__":
    sys.exit(main())

"""Extract the units of a corpus: the same command as `netflips extract`."""

import sys

from netflips.commands.extract import main

if __name__ == "__main__":
    sys.exit(main(prog="extract_units.py"))

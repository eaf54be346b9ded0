"""Convert a published checkpoint to safetensors and JSON: the same command as `netflips convert`."""

import sys

from netflips.commands.options import convert

if __name__ == "__main__":
    sys.exit(convert.main())

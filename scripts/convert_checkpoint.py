"""Convert a published checkpoint to safetensors and JSON: the same command as `netflips convert`."""

import sys

from netflips.convert_command import main

if __name__ == "__main__":
    sys.exit(main())

"""Write checkpoints of random weights in the layout of the published files; see netflips/random_checkpoints.py."""

import sys

from netflips.random_checkpoints import main

if __name__ == "__main__":
    sys.exit(main())

"""Write checkpoints of random weights in the layout of the published files; see workshop/random/random_checkpoints.py."""

import sys

from workshop.random.random_checkpoints import main

if __name__ == "__main__":
    sys.exit(main())

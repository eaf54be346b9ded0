"""Write checkpoints of random weights in the layout of the published files; see recipes/demo/random/random_checkpoints.py."""

import sys

from recipes.demo.random.random_checkpoints import main

if __name__ == "__main__":
    sys.exit(main())

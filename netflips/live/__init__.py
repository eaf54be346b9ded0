"""Live dubbing: the steps of a dub over a recording that grows, turn by turn, and an output that is written meanwhile."""

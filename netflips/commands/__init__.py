"""The commands that run all below them: their options, and the work of each that is not a step of a dub."""

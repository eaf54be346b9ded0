"""`python -m netflips`: the command line."""

from netflips.cli import program

program()

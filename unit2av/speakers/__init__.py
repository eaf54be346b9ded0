"""Whose voice it is: speaker vectors and pitch."""

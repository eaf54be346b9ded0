"""Small made corpora whose truth is known, to try the trainers with and to test them."""

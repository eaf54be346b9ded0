"""What is known of a dub: who says what and when, what is said instead, and what became of it."""

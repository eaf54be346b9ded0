"""What every network with AV-HuBERT's lips has: the front end over mouth pictures and the transformer over its features."""

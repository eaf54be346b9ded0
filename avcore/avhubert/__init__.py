"""Parts of networks with AV-HuBERT's lips: the front end over mouth pictures and the transformer over its features."""

"""Models that others publish: the list of them (`catalogue.yaml`), downloading them, and finding them by name afterwards; and the
folder with a card in which a model of one's own is published."""

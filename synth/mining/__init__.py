"""Hard negatives: which candidates of a score table may be one, and which of those are taken."""

"""``perunika demo``: the whole cast on one machine, from opening to settlement, with books that a second reader checks."""

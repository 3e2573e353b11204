"""``perunika demo``: the whole cast on one machine, from opening to settlement; a second reader checks the books."""

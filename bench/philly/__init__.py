"""The asks of Microsoft's Philly cluster, made by companies of a pool of 8-GPU nodes: the real core, beside EASY on nodes."""

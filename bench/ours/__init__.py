"""Our side of what is measured beside Slurm: the same asks, on as many nodes, through the real parts."""

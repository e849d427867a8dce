"""Who is on a GPU though no lease explains it."""

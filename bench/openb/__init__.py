"""FGD's own experiment on the openb trace, with our placement beside the published policies."""

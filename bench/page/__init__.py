"""docs/performance.md, made of the results that are kept: the same results give the same page and the same pictures."""

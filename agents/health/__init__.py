"""Health of GPUs: what was seen of each, judged by a table, damped, and remembered."""

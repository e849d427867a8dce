"""The benchmarks: what the real processes take, measured from outside. Never a test; the figures are in README.md."""

"""Pages of docs/ that are made from code: `python -m docs.made.NAME > docs/NAME.md`."""

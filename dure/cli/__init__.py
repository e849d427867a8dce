"""The command line `dure <noun> <verb>`: parse, one client call, render. One file a noun; nothing is decided here."""

from dure.cli.app import app, main

__all__ = ["app", "main"]

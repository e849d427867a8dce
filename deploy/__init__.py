"""How Dure is put on a machine. Nothing imports this package; it starts the processes and imports none of them."""

"""Whether Dure is well: facts that the store read (`facts`), and pure functions that make findings of them."""

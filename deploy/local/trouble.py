"""What keeps the local stack from starting, as one sentence for the person at the terminal."""


class CannotStart(Exception):
    """The text says what is in the way and what to do about it."""

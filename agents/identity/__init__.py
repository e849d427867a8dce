"""How the agent shows who it is: a token that somebody else renews, or a credential of its own."""

"""The API that the client and the command line are tried on: the real one, on a real database."""

from tests.integration.api.conftest import site

__all__ = ["site"]

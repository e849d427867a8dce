"""The setting by which a process finds the database, said in one of two ways."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, model_validator

from scheduler.store.address import PATTERN, Address

SHARED = ("database_url", "database_url_file")


class Addressed(BaseModel):
    """For the settings of every process that has the database."""

    database_url: str | None = Field(
        default=None,
        pattern=f"^{PATTERN}$",
        description="postgresql://user@host/name, version 15 or newer",
    )
    database_url_file: Path | None = Field(
        default=None,
        description="a file that holds the URL of the database, in place of DURE_DATABASE_URL; it is read at every new connection, so that a password may change without a restart",
    )

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if (self.database_url is None) == (self.database_url_file is None):
            raise ValueError(
                "say where the database is, once: DURE_DATABASE_URL=postgresql://user@host/name, or DURE_DATABASE_URL_FILE with a file that holds it"
            )
        return self

    @property
    def address(self) -> Address:
        said = self.database_url or self.database_url_file
        assert said is not None
        return Address(said)

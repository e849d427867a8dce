"""Migrations say whether they only add, and those that do hold to it: older code runs on, and nobody waits for them."""

import pytest

from scheduler.store.schema import Applied, Fit, Standing, judged
from tests import expanding

SINCE = "20261130_node_holders"

PROVED = {"20261130_parts"}
"""It puts tables into parts under the names that they had. That older code runs on is not for rules to see here: it is run, by
tests/acceptance/test_upgrade.py.
"""
"""The newest migration from before they said so."""

BAD = {
    "DROP TABLE mix": "may use it",
    "ALTER TABLE lease DROP COLUMN tier": "may use it",
    "ALTER TABLE lease ADD COLUMN a text, DROP COLUMN tier": "may use it",
    "ALTER TABLE token DROP CONSTRAINT uq_token_hash": "may rely on it",
    "DROP INDEX ix_lease_queue": "stops all who use the table",
    "ALTER TABLE lease RENAME COLUMN tier TO class": "the name that it knows",
    "ALTER TABLE lease RENAME TO ask": "the name that it knows",
    "ALTER TABLE lease ALTER COLUMN duration_s TYPE bigint": "writes the whole table anew",
    "ALTER TABLE lease ALTER COLUMN name SET NOT NULL": "reads the whole table",
    "ALTER TABLE lease ALTER COLUMN tier DROP NOT NULL": "without null",
    "ALTER TABLE lease ALTER COLUMN tier DROP DEFAULT": "does not fill the column",
    "ALTER TABLE lease ADD COLUMN colour TEXT NOT NULL": "give it a default",
    "ALTER TABLE lease ADD COLUMN a TEXT DEFAULT 'x', ADD COLUMN b TEXT NOT NULL": "give it a default",
    "ALTER TABLE lease ADD COLUMN seen TIMESTAMP DEFAULT clock_timestamp()": "a default is a constant",
    "ALTER TABLE lease ADD COLUMN number BIGINT GENERATED ALWAYS AS IDENTITY": "a default is a constant",
    "ALTER TABLE lease ADD CONSTRAINT ck_lease_x CHECK (total_gpus < 9)": "add it NOT VALID",
    "ALTER TABLE pod ADD CONSTRAINT fk_pod_lease FOREIGN KEY (lease) REFERENCES lease (id)": "add it NOT VALID",
    "ALTER TABLE lease ADD CONSTRAINT uq_lease_name UNIQUE (name)": "builds an index under a lock",
    "CREATE INDEX ix_lease_tier ON lease (tier)": "use `indexes.build`",
    "CREATE UNIQUE INDEX ix_lease_tier ON lease (tier)": "use `indexes.build`",
    "REINDEX TABLE lease": "stops all",
    "VACUUM FULL lease": "stops all",
    "LOCK TABLE lease": "stops all",
    "TRUNCATE mix": "stops all",
    "ALTER TABLE lease SET UNLOGGED": "writes the whole table anew",
    "ALTER TABLE decision ATTACH PARTITION old DEFAULT": "reads the whole table",
    "REVOKE INSERT ON lease FROM dure_app": "may need it",
    "UPDATE lease SET tier = 'reserved'": "grows with time",
    "DELETE FROM lease_event": "grows with time",
}

GOOD = (
    "CREATE TABLE wish (id TEXT NOT NULL, lease TEXT NOT NULL REFERENCES lease (id))",
    "ALTER TABLE lease ADD COLUMN colour TEXT",
    "ALTER TABLE lease ADD COLUMN colour TEXT DEFAULT 'red' NOT NULL",
    "ALTER TABLE lease ADD COLUMN seen TIMESTAMP DEFAULT now() NOT NULL",
    "ALTER TABLE lease ADD COLUMN a TEXT, ADD COLUMN b INTEGER DEFAULT 0 NOT NULL",
    "ALTER TABLE lease ADD CONSTRAINT ck_lease_x CHECK (total_gpus < 9) NOT VALID",
    "ALTER TABLE lease VALIDATE CONSTRAINT ck_lease_x",
    "ALTER TABLE token DROP CONSTRAINT ck_token_role",
    "ALTER TABLE lease ADD CONSTRAINT uq_lease_name UNIQUE USING INDEX ix_lease_name",
    "ALTER TABLE node SET (toast_tuple_target = 128)",
    "CREATE INDEX CONCURRENTLY ix_lease_tier ON lease USING btree (tier)",
    "GRANT SELECT ON wish TO dure_app",
    "UPDATE pool SET keeps = 2",
)


@pytest.mark.parametrize("statement", BAD)
def test_what_older_code_or_other_transactions_would_suffer_from_is_seen(statement: str) -> None:
    assert any(BAD[statement] in fault for fault in expanding.faults((statement,)))


@pytest.mark.parametrize("statement", GOOD)
def test_what_only_adds_is_nothing_to_complain_of(statement: str) -> None:
    assert expanding.faults((statement,)) == []


def test_a_table_of_its_own_is_a_migrations_to_do_with_as_it_likes() -> None:
    made = (
        "CREATE TABLE wish (id TEXT)",
        "CREATE INDEX ix_wish ON wish (id)",
        "ALTER TABLE wish ALTER COLUMN id SET NOT NULL",
    )
    assert expanding.faults(made) == []
    assert len(expanding.faults(made[1:])) == 2


def test_every_migration_says_what_it_is_and_one_that_expands_only_adds() -> None:
    found = list(expanding.after(SINCE))
    assert found
    assert {one.revision: one.step for one in found if one.step not in ("expand", "contract")} == {}
    assert {
        one.revision: faults
        for one in found
        if one.step == "expand" and one.revision not in PROVED and (faults := expanding.faults(one.statements))
    } == {}


def test_the_rules_see_what_migrations_really_send() -> None:
    found = {one.revision: expanding.faults(one.statements) for one in expanding.after("20261130_pod_wish")}
    assert any(fault.startswith("DROP INDEX uq_allocation_live_gpu") for fault in found["20261130_violations"])
    assert any("violations DROP DEFAULT" in fault for fault in found["20261130_violations"])


OLDER, NEWER = Applied(revision="1", fits=True), Applied(revision="2", fits=True)


@pytest.mark.parametrize(
    ("applied", "fit"),
    [
        ([OLDER], Fit.EQUAL),
        ([OLDER, NEWER], Fit.NEWER),
        ([Applied(revision="1", fits=False), NEWER], Fit.TOO_NEW),
        ([Applied(revision="0", fits=True)], Fit.OLDER),
    ],
)
def test_code_fits_a_database_that_has_its_migration_and_took_nothing_away_since(
    applied: list[Applied], fit: Fit
) -> None:
    assert judged(applied, "1") is fit
    refusal = Standing(head="2", needed="1", fit=fit).refusal
    assert (refusal is None) is (fit in (Fit.EQUAL, Fit.NEWER))

"""What queries take for booked is what decisions do."""

from sqlalchemy import text

from scheduler.core.model import State
from scheduler.core.quota import HOLDING
from scheduler.store.db import Database
from scheduler.store.leases import BOOKED_BY_INDEX


def test_conditions_on_leases_have_each_state_that_counts_once_and_no_other(database: Database) -> None:
    times = " + ".join(f"({condition})::int" for condition in BOOKED_BY_INDEX)
    query = text(f"SELECT state, {times} AS times FROM unnest(CAST(:states AS text[])) AS lease (state)")
    with database.snapshot() as session:
        rows = session.connection().execute(query, {"states": [state.value for state in State]})
        assert {row.state: row.times for row in rows} == {state.value: int(state in HOLDING) for state in State}

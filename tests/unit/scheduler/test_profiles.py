import numpy as np

from scheduler.core.compiled import rows
from scheduler.core.profiles import Profiles
from scheduler.core.steps import Steps


def test_a_row_holds_its_base_for_all_time():
    found = Profiles.flat([8, 0])
    assert [found.steps(row) for row in range(len(found))] == [Steps.flat(8), Steps.flat(0)]


def test_a_row_has_room_for_as_many_steps_as_come():
    found, want = Profiles.flat([8, 8]), Steps.flat(8)
    for k in range(200):
        found.add(0, 10 * k, 10 * k + 5, -1)
        want = want.add(10 * k, 10 * k + 5, -1)
    assert found.steps(0) == want
    assert found.steps(1) == Steps.flat(8)


def test_what_is_added_and_taken_away_again_leaves_no_steps():
    found = Profiles.flat([8])
    found.add(0, 10, 20, -3)
    found.add(0, 15, 30, -3)
    found.add(0, 10, 20, 3)
    found.add(0, 15, 30, 3)
    assert found.steps(0) == Steps.flat(8)


def test_a_copy_is_changed_alone():
    found = Profiles.flat([8])
    other = found.copy()
    other.add(0, 10, 20, -8)
    other.shift(0, 1)
    other.append(5)
    assert (found.steps(0), len(found), len(other)) == (Steps.flat(8), 1, 2)


def test_a_row_is_asked_for_an_instant_and_for_the_lowest_of_a_stretch():
    found = Profiles.flat([8])
    found.add(0, 10, 20, -3)
    assert [found.at(0, instant) for instant in (0, 9, 10, 19, 20)] == [8, 8, 5, 5, 8]
    assert (found.least(0, 0, 10), found.least(0, 0, 11), found.least(0, 19, 99), found.least(0, 20, 99)) == (
        8,
        5,
        5,
        8,
    )


def test_a_new_row_is_numbered_after_the_others_and_shifted_alone():
    found = Profiles.flat([8])
    found.add(0, 10, 20, -3)
    assert found.append(4) == 1
    found.shift(1, 2)
    assert (found.steps(0), found.steps(1)) == (Steps.flat(8).add(10, 20, -3), Steps.flat(6))


def test_the_past_is_forgotten_and_the_rest_is_as_it_was():
    found = Profiles.flat([8, 8])
    found.add(0, 10, 20, -3)
    found.forget(15)
    assert (found.steps(0), found.steps(1)) == (Steps(times=(0, 20), values=(5, 8)), Steps.flat(8))


def test_what_begins_before_all_time_is_cut_off():
    found = Profiles.flat([8])
    found.add(0, -5, 10, -3)
    assert found.steps(0) == Steps(times=(0, 10), values=(5, 8))


def test_a_row_with_many_steps_makes_the_others_no_longer():
    found = Profiles.flat([8] * 1000)
    for k in range(100):
        found.add(0, 10 * k, 10 * k + 5, -1)
    assert found.copy().times.size < 5000


def test_rows_have_room_for_what_is_said_and_are_as_they_were():
    found = Profiles.flat([8, 4])
    found.add(1, 10, 20, -3)
    found.widen(np.array([6, 0]))
    assert found.extents[0, rows.ROOM] - found.extents[0, rows.END] >= 6
    assert [found.steps(row) for row in (0, 1)] == [Steps.flat(8), Steps.flat(4).add(10, 20, -3)]


def test_the_instants_at_which_rows_change_are_told_once_each():
    found = Profiles.flat([8, 4, 4])
    found.add(0, 10, 20, -3)
    found.add(1, 20, 30, -3)
    assert (found.instants().tolist(), found.instants([1]).tolist()) == ([0, 10, 20, 30], [0, 20, 30])

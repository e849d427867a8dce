"""deploy/helm/README.md has every value of the chart, as values.yaml says it."""

import pytest

from docs.made import chart


def test_the_table_is_what_the_chart_says() -> None:
    readme, text = chart.README.read_text(), chart.VALUES.read_text()
    assert chart.page(readme, text) == readme, "run `python -m docs.made.chart`"


def test_a_value_has_its_whole_path_its_sentence_and_its_default() -> None:
    text = (
        "top:\n  # -- One | two.\n  first: [a]\n  below:\n    # -- Deep.\n    deepest: ''\n# -- Last.\nlast: {x: 1}\n"
    )
    found = chart.values(text)
    assert found == [
        (("top", "first"), "One | two.", ["a"]),
        (("top", "below", "deepest"), "Deep.", ""),
        (("last",), "Last.", {"x": 1}),
    ]
    assert '| `top.first` | `["a"]` | One \\| two. |' in chart.table(found)
    assert "| `top.below.deepest` |  | Deep. |" in chart.table(found)


def test_a_page_without_a_place_for_the_table_is_refused() -> None:
    with pytest.raises(ValueError, match="has not both"):
        chart.page("no marks\n", "a: 1\n")

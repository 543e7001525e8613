import pytest

from spectrakit.studies import published


def test_a_text_takes_values_by_their_id_and_figures_by_their_name():
    entries = {"samples.gejiu": {"value": 130}, "samples.gejiu.test": {"value": 32}, "order.r2": {}}
    text = "{samples.gejiu.test} of {samples.gejiu:,} soils are {share:.0f} %"
    assert published.text_with_figures(text, entries, {"share": 24.6}) == "32 of 130 soils are 25 %"
    with pytest.raises(KeyError, match=r"samples\.lucas"):
        published.text_with_figures("{samples.lucas}", entries, {})


def test_the_functions_of_a_module_are_those_that_it_defines():
    assert set(published.functions_of(vars(published))) == {"value", "functions_of", "text_with_figures"}

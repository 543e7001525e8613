from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from spectrakit.evaluation.metrics import rmse
from spectrakit.studies.mir import experiments as mir
from spectrakit.studies.mir.domains import cells


def test_no_laboratory_has_more_soils_in_the_comparison(inputs, monkeypatch):
    seen = {}

    def caught(soils, target, choices, models, **options):
        seen.update(counts=soils.samples["laboratory"].value_counts(), names=list(choices))
        return pd.DataFrame()

    monkeypatch.setattr(mir, "leave_laboratories_out", caught)
    profile = replace(inputs.profile, n_compared=12, compared=("none", "snv+sst", "snv+epo"))
    other = replace(inputs, profile=profile)
    other.library = inputs.library
    mir.compare_harmonisations(other, "om", None)
    assert seen["counts"].to_dict() == dict.fromkeys(["cerrado", "isles", "loess", "national", "nordic"], 12)
    assert seen["names"] == ["none", "snv+sst", "snv+epo"]


def test_organic_carbon_by_form_is_never_above_the_total(inputs):
    found = mir.organic_and_total(inputs, None).set_index("model")
    assert list(found.index) == ["total times share", "two networks", "two PLS"]
    assert found.loc["total times share", "above"] == 0 < found.loc["two PLS", "above"]
    assert found["n"].nunique() == 1 and found[["r2", "rmse"]].notna().all(axis=None)


def test_imputed_values_are_held_against_the_truth(library, table):
    found = mir.against_truth(library, "om", table)
    gaps = np.isnan(library.content("om"))
    truth, value = library.truth["om_g_kg"].to_numpy()[gaps], table["om_g_kg"].to_numpy()[gaps]
    (overall,) = found["truth"].query("by == 'all'").to_dict("records")
    assert overall["n"] == gaps.sum() and overall["rmse"] == pytest.approx(rmse(truth, value))
    assert found["imputed_sd"] == pytest.approx(np.std(value, ddof=1))
    inside = (table["om_lower_90"] <= library.truth["om_g_kg"]) & (library.truth["om_g_kg"] <= table["om_upper_90"])
    (covered,) = found["truth_coverage"].query("by == 'all' and level == 0.9")["coverage"]
    assert covered == pytest.approx(inside[gaps].mean())
    by_depth = found["truth_coverage"].query("by == 'depth' and level == 0.9")
    assert by_depth["n_samples"].sum() == gaps.sum() and "all" not in set(by_depth["group"])


def test_a_higher_threshold_fills_more(library, table):
    found = mir.acceptance(library, "om", table)
    assert found["filled"].is_monotonic_increasing and found["filled"].iloc[-1] == 1
    assert found["width_g_kg"].is_monotonic_increasing and found["cells"].is_monotonic_increasing
    (overall,) = mir.against_truth(library, "om", table)["truth"].query("by == 'all'")["rmse"]
    assert found["rmse"].iloc[-1] == pytest.approx(overall)
    assert found["cells"].iloc[-1] == len(set(cells(library.dataset.samples)))

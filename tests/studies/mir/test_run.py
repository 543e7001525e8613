from pathlib import Path

import numpy as np
import pandas as pd

from spectrakit.studies.mir.domains import TARGETS


def test_progress_names_the_parts(outcome, tiny_runs):
    words = list(dict.fromkeys(words for words, _ in tiny_runs.calls["mir"]))
    assert words[:3] == ["spectra", "harmonisations, carbon", "harmonisations, organic matter"]
    assert "carbon without national" in words and "organic matter without nordic" in words
    assert words[-4:] == [
        "organic and total carbon",
        "carbon, round 1",
        "organic matter, round 1",
        "the hybrid data set",
    ]


def test_a_round_scores_models_and_intervals_and_the_first_fills_the_gaps(outcome):
    for target in TARGETS:
        (part,) = outcome["rounds"][target]
        assert set(part["scores"]["model"]) == set(part["limits"]["model"]) == {"network", "pls", "pls log", "mean"}
        methods = ["mc-dropout", "ensemble", "both", "conformal", "conformal by spread"]
        assert list(part["coverage"]["method"].unique()) == methods
        assert (
            part["filled"][f"{target}_origin"].value_counts()["imputed"]
            == outcome["library"]["targets"][target]["imputed"]
        )
        assert part["apart"]["promised_90"].between(0, 1).all() and len(part["acceptance"]) == 60
        shown = part["shown"]
        assert (shown["lower"] <= shown["predicted"]).all() and (shown["predicted"] <= shown["upper"]).all()
        inside, outside = part["domain"].set_index("where")["n"].reindex(["inside", "outside"], fill_value=0)
        (overall,) = part["scores"].query("model == 'network' and by == 'all'")["n"]
        assert overall - 1 <= inside + outside <= overall


def test_the_hybrid_data_set_and_its_datasheet_are_written(outcome):
    file = Path(outcome["hybrid"]["file"])
    table = pd.read_parquet(file)
    assert len(table) == outcome["hybrid"]["rows"] == 800
    for target in TARGETS:
        part = outcome["rounds"][target][0]["filled"]
        pd.testing.assert_frame_equal(table[list(part)], part)
    sheet = file.with_suffix(".md").read_text("utf-8")
    n_gaps = outcome["library"]["targets"]["om"]["imputed"]
    assert f"| `om_g_kg` | organic matter, g/kg: {800 - n_gaps:,} measured, {n_gaps:,} imputed |" in sheet
    assert all(f"`{name}`" in sheet for name in table if "_68" not in name and "_9" not in name)
    assert np.isin(table["outlier"], [True, False]).all()

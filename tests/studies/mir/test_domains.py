from dataclasses import replace

import numpy as np
import pandas as pd

from spectrakit.studies.mir import domains as mir


def samples(*rows):
    names = ["latitude", "longitude", "depth_top_cm", "depth_bottom_cm"]
    return pd.DataFrame(rows, columns=names).astype(float)


def test_the_truth_stands_beside_the_library_row_by_row(library):
    for target, column in mir.TARGETS.items():
        rows = library.measured(target)
        np.testing.assert_array_equal(library.truth[column].to_numpy()[rows], library.content(target)[rows])
    assert library.truth[list(mir.TARGETS.values())].notna().all(axis=None)


def test_harmonisation_leaves_a_laboratory_out_of_the_ring_trial(library):
    scans, standard, laboratory = library.ring
    spoilt = scans.copy()
    spoilt[laboratory == "nordic"] = np.random.default_rng(0).normal(size=(12, scans.shape[1]))
    other = replace(library, ring=(spoilt, standard, laboratory))
    rows = np.arange(5)
    left_out = library.harmonised(rows, left_out="nordic")
    np.testing.assert_array_equal(left_out, other.harmonised(rows, left_out="nordic"))
    assert left_out.dtype == np.float32
    assert not np.allclose(left_out, other.harmonised(rows), atol=1e-3)


def test_depths_cells_and_layers():
    rows = samples((47.9, -0.5, 0, 20), (-0.1, 10.2, 15, 38), (47.0, -1.0, 150, 260), (47.5, -0.2, 20, 20))
    assert list(mir.depth_class(rows)) == ["0-20 cm", "20-50 cm", "100-200 cm", "0-20 cm"]
    assert list(mir.cells(rows)) == ["47 -1", "-1 10", "47 -1", "47 -1"]
    found = mir.cell_layers(rows)
    assert found.groupby("row")["layer"].apply(list).to_dict() == {
        0: [0, 10],
        1: [10, 20, 30],
        2: [150, 160, 170, 180, 190],
    }
    assert set(found.loc[found["row"] == 1, "cell"]) == {"-1 10"}


def test_coverage_counts_every_sample_once_in_space(library):
    table = mir.coverage_in_space(library, "om")
    assert (table["all"].sum(), table["measured"].sum()) == (800, len(library.measured("om")))
    corner = table[["latitude", "longitude"]].drop_duplicates()
    assert set(mir.cells(library.dataset.samples)) == {f"{row.latitude} {row.longitude}" for row in corner.itertuples()}
    assert len(corner) == len(table) and (table["measured"] <= table["all"]).all()
    depth = mir.coverage_in_depth(library, "om")
    assert list(depth["layer"]) == list(range(0, 200, 10)) and (depth["cells_measured"] <= depth["cells_all"]).all()
    whole = library.dataset.samples.eval("depth_top_cm < 10").sum()
    assert depth.loc[0, "all"] == whole


def test_the_summary_counts_what_is_measured_and_gained(library):
    summary, properties = mir.library_summary(library), library.dataset.properties
    layers = mir.cell_layers(library.dataset.samples)
    for target, column in mir.TARGETS.items():
        about, content = summary["targets"][target], properties[column].dropna()
        assert (about["measured"], about["imputed"]) == (len(content), 800 - len(content))
        assert about["sd"] == content.std() and about["iqr"] == content.quantile(0.75) - content.quantile(0.25)
        cell = mir.cells(library.dataset.samples)
        gain = len(set(cell)) / len(set(cell[properties[column].notna()])) - 1
        assert summary["gains"][target]["space"] == 100 * gain
        known = layers[properties[column].notna().to_numpy()[layers["row"]]]
        n_all, n_known = (len(part[["cell", "layer"]].drop_duplicates()) for part in (layers, known))
        assert summary["gains"][target]["depth"] == 100 * (n_all / n_known - 1)
    assert summary["both"] == properties[["c_g_kg", "om_g_kg"]].notna().all(axis=1).sum() == 2
    assert (summary["n"], summary["n_laboratories"]) == (800, 12)


def test_tables_count_samples_sites_and_contents_of_each_laboratory(library):
    tables = mir.library_tables(library)
    assert list(tables) == ["laboratories", "space_c", "depth_c", "space_om", "depth_om"]
    row = tables["laboratories"].set_index("laboratory").loc["nordic"]
    scanned = library.laboratory == "nordic"
    assert (row["samples"], row["site"]) == (scanned.sum(), len(set(library.site[scanned])))
    assert row["om"] == library.dataset.properties.loc[scanned, "om_g_kg"].notna().sum() == 20

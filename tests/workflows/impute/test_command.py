import json
import os
import tracemalloc
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from spectrakit.evaluation.intervals import ConformalIntervals, pooled_threshold
from spectrakit.preprocess.harmonise import HARMONISATIONS
from spectrakit.runs.parts import KeptParts, Run
from spectrakit.runs.tasks import Cluster, task_runner
from spectrakit.spectra import SpectralDataset
from spectrakit.tables import write_partitions, write_table
from spectrakit.training.contents import CONTENT_NETWORK, ContentNetwork
from spectrakit.training.pretraining import Recipe
from spectrakit.workflows.impute import command as study
from spectrakit.workflows.impute import fill as filling
from spectrakit.workflows.impute.command import content_network, fill_gaps, log_pls
from spectrakit.workflows.impute.plan import make_plan

AXIS = np.arange(600, 840, 2.0)
CHANNELS = "120 of 1,700 channels used, 600 to 838 1/cm: those that all share"
FLAT, WILD = 7, 40  # rows of `library` without a usable spectrum, and with one of another world


def library(n=150, seed=0, axis=AXIS, laboratories=("north", "south", "west")):
    """Soils of laboratories with slopes of their own, whose band at 700 is as high as the logarithm of their carbon.

    Not measured: om_g_kg anywhere, c_g_kg in each fifth row and in those numbered 7, 40 and 41.
    """
    random = np.random.default_rng(seed)
    carbon, clay = np.exp(random.normal(2.5, 0.8, n)), random.uniform(0, 1, n)
    place = np.arange(n) % len(laboratories)
    # A band that all have alike is what the others can be told against.
    spectra = 0.5 + np.exp(-0.5 * ((axis - 640) / 12) ** 2)
    spectra = spectra + 0.2 * np.log(carbon)[:, None] * np.exp(-0.5 * ((axis - 700) / 12) ** 2)
    spectra += 0.2 * clay[:, None] * np.exp(-0.5 * ((axis - 780) / 15) ** 2) + 0.0002 * place[:, None] * (axis - 600)
    spectra += 0.0005 * random.standard_normal(spectra.shape)
    spectra[FLAT, 3] = np.nan
    spectra[WILD] = random.uniform(0, 3, len(axis))
    known = np.arange(n) % 5 > 0
    known[[FLAT, WILD, 41]] = False
    return SpectralDataset(
        spectra=spectra,
        axis=axis,
        axis_unit="cm-1",
        signal="absorbance",
        properties=pd.DataFrame(
            {"c_g_kg": np.where(known, carbon, np.nan), "om_g_kg": np.nan, "lg_c": np.log10(carbon)}
        ),
        samples=pd.DataFrame(
            {
                "sample_id": [f"s{i}" for i in range(n)],
                "laboratory": np.array(laboratories)[place],
                "site": [f"site {i // 6}" for i in range(n)],
                "depth_top_cm": np.where(np.arange(n) % 4, 10.0, np.nan),
                "latitude": np.linspace(-30, 60, n),
            }
        ),
        provenance={"origin": "simulated", "seed": seed, "source": "a test"},
    )


def predicted(soils, X, training, rows, random_state):
    """Carbon of some rows of spectra X by the model of the command, fitted to others."""
    sites = (soils.samples["laboratory"] + " " + soils.samples["site"]).to_numpy(str)[training]
    pretreated = HARMONISATIONS["snv+derivative"]().fit(X[training])
    model = log_pls((0, 580), random_state)
    model.fit(pretreated.transform(X[training]), soils.properties["c_g_kg"].to_numpy()[training], sites)
    return model.predict(pretreated.transform(X[rows]))


def altered(dataset, row, name, value):
    properties = dataset.properties.copy()
    properties.loc[row, name] = value
    return replace(dataset, properties=properties)


def imputed(folder, dataset, target="c_g_kg", name="hybrid.parquet", model=log_pls, **options):
    """Impute a dataset, or the library at a path: outcome and the table that was written; options of make_plan."""
    path = dataset if isinstance(dataset, Path) else folder / "library.parquet"
    if path != dataset:
        write_table(dataset, path)
    outcome = fill_gaps(path, target, folder / name, model, folder / "runs", block_rows=32, **options)
    return outcome, (pd.read_parquet if name.endswith("parquet") else pd.read_csv)(folder / name)


@pytest.fixture
def run(tmp_path):
    return partial(imputed, tmp_path)


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """`library` imputed with intervals of 80 % and seed 3: outcome, table and file."""
    folder = tmp_path_factory.mktemp("filled")
    return *imputed(folder, library(), level=0.8, random_state=3), folder / "hybrid.parquet"


def test_every_row_once_in_order_and_nothing_measured_is_touched(filled):
    soils, (outcome, table, _) = library(), filled
    known = soils.properties["c_g_kg"].notna().to_numpy()
    assert list(table["sample_id"]) == list(soils.samples["sample_id"])
    assert_array_equal(table["value"][known], soils.properties["c_g_kg"][known])
    assert list(table.columns) == [
        *("sample_id", "laboratory", "site", "depth_top_cm", "latitude", "property", "value", "origin", "predicted"),
        *("sd", "lower_68", "upper_68", "lower_80", "upper_80", "lower_95", "upper_95"),
        *("usable", "t2_flag", "q_flag", "outside", "outlier", "spectrum_origin"),
    ]
    for name in ("laboratory", "site", "depth_top_cm", "latitude"):
        pd.testing.assert_series_equal(table[name], soils.samples[name], check_dtype=False)
    expected = np.where(known, "measured", "imputed")
    expected[FLAT] = "missing"
    assert_array_equal(table["origin"], expected)
    filled_in = table[table["origin"] == "imputed"]
    bounds = filled_in[["lower_95", "lower_80", "lower_68", "value", "upper_68", "upper_80", "upper_95"]].to_numpy()
    assert (np.diff(bounds, axis=1) >= 0).all() and bounds.min() >= 0 and bounds.max() <= 580
    assert (filled_in["sd"] > 0).all() and (filled_in["value"] == filled_in["predicted"]).all()
    others = table[table["origin"] != "imputed"]
    assert others[["sd", "lower_80", "upper_80"]].isna().all(axis=None)
    assert np.isnan(table["value"][FLAT]) and not table["usable"][FLAT] and table["usable"].sum() == 149
    assert (table["spectrum_origin"] == "simulated").all() and (table["property"] == "c_g_kg").all()
    assert [outcome.counts[name] for name in filling.ORIGINS] == [int(known.sum()), len(filled_in), 1]


def test_values_intervals_and_held_out_predictions_are_those_of_the_models_said(filled):
    soils, (outcome, table, _) = library(), filled
    known = soils.properties["c_g_kg"].notna().to_numpy()
    y, laboratory = soils.properties["c_g_kg"].to_numpy(), soils.samples["laboratory"].to_numpy()
    for name in ("north", "south", "west"):
        left_out = known & (laboratory == name)
        expected = predicted(soils, soils.spectra, known & (laboratory != name), left_out, 3)
        assert_allclose(table["predicted"][left_out], expected)
    empty = (table["origin"] == "imputed").to_numpy()
    assert_allclose(table["value"][empty], predicted(soils, soils.spectra, known, empty, 3))
    held_out = table["predicted"][known].to_numpy()
    offset = float(np.median(y[known])) / 10
    intervals = ConformalIntervals(pooled_threshold, (0.68, 0.8, 0.95), offset, (0.0, 580.0))
    bounds = intervals.fit(y[known], held_out, groups=laboratory[known]).predict(table["value"][empty])
    assert_allclose(table.loc[empty, ["lower_80", "upper_80"]], bounds[:, :, 1])
    assert [line.split()[7] for line in outcome.lines[:3]] == ["51.0", "60.0", "71.2"]
    assert list(outcome.records.index) == ["all", "north", "south", "west"]
    assert outcome.records.loc["all", "rmse"] == pytest.approx(np.sqrt(np.mean((held_out - y[known]) ** 2)))
    assert outcome.records.loc["north", "bias"] == pytest.approx(
        (held_out - y[known])[laboratory[known] == "north"].mean()
    )
    assert outcome.records.loc["all", "r2"] > 0.9


def test_a_spectrum_of_another_world_is_flagged(filled):
    outcome, table, _ = filled
    assert table.loc[WILD, ["q_flag", "outside", "outlier"]].all() and table["origin"][WILD] == "imputed"
    assert table["outlier"].sum() == 2 and table["outlier"][FLAT]  # and the one that is not usable
    assert outcome.counts["outside"] == table["outside"].drop(FLAT).sum() and outcome.counts["outlier"] == 1
    assert outcome.lines[-2].endswith("1 of these outliers")


def test_the_file_says_what_made_it(filled):
    outcome, _, file = filled
    said = json.loads(pq.read_metadata(file).metadata[b"spectrakit"])
    assert {name: said[name] for name in ("property", "limits", "source", "rows", "rows fitted", "seed", "model")} == {
        "property": "c_g_kg",
        "limits": [0, 580],
        "source": "library.parquet",
        "rows": 150,
        "rows fitted": outcome.counts["measured"],
        "seed": 3,
        "model": "log_pls",
    }
    assert said["library"] == "simulated, seed 0, file library.parquet"
    assert said["promise"]["0.8"] == pytest.approx(0.6) and said["held out"] == ["north", "south", "west"]
    assert said["measured"]["coverage_80"] == outcome.records.loc["all", "coverage_80"]


def test_the_sites_of_a_single_laboratory_are_held_out_in_parts(run):
    soils = library(laboratories=("north",))
    outcome, table = run(soils)
    assert tuple(outcome.notes) == (
        CHANNELS,
        "one laboratory: errors are those on 10 parts of its sites, not on another laboratory",
    )
    assert len(outcome.records) == 11 and outcome.records["n"].iloc[1:].sum() == outcome.counts["measured"]
    assert outcome.lines[1].startswith("90 % intervals, on average over sites: 81.8 % promised for those never seen")
    assert table["predicted"].notna().sum() == 149


def test_channels_that_not_all_laboratories_have_are_left_out(run):
    soils = library(axis=np.arange(590.5, 900, 1.5))
    spectra = soils.spectra.copy()
    spectra[np.ix_(soils.samples["laboratory"] == "west", soils.axis > 860)] = np.nan
    outcome, table = run(replace(soils, spectra=spectra))
    assert tuple(outcome.notes) == ("130 of 1,700 channels used, 600 to 858 1/cm: those that all share",)
    # What one soil lacks is now below the first channel that is used.
    assert outcome.counts["missing"] == 0
    X = np.array([np.interp(np.arange(600, 860, 2.0), soils.axis, row) for row in spectra]).astype(np.float32)
    known, west = (table[name].eq(value).to_numpy() for name, value in (("origin", "measured"), ("laboratory", "west")))
    assert_allclose(table["predicted"][known & west], predicted(soils, X, known & ~west, known & west, 0))


def test_the_same_soils_in_other_layouts_get_the_same_values(run, tmp_path):
    soils = library()
    expected = run(soils)[1]
    reflectance = replace(soils, spectra=10.0**-soils.spectra, signal="reflectance")
    found = run(reflectance, signal="reflectance")[1]
    assert_allclose(found["value"], expected["value"], rtol=1e-3)
    write_partitions(iter([soils]), tmp_path / "parts", rows=40)
    pd.testing.assert_frame_equal(run(tmp_path / "parts")[1], expected)
    names = {
        "sample_id": "id.layer_uuid_txt",
        "laboratory": "dataset.code_ascii_txt",
        "site": "id.dataset.site_ascii_txt",
    }
    names |= {"depth_top_cm": "layer.upper.depth_usda_cm", "latitude": "latitude.point_wgs84_dd"}
    ossl = soils.samples.rename(columns=names).assign(
        **{"c.tot_usda.a622_w.pct": soils.properties["c_g_kg"] / 10},
        **{f"scan_mir.{nm:g}_abs": channel for nm, channel in zip(AXIS, soils.spectra.T, strict=True)},
    )
    ossl.to_parquet(tmp_path / "ossl.parquet")
    found = run(tmp_path / "ossl.parquet")[1]
    pd.testing.assert_frame_equal(found.drop(columns="spectrum_origin"), expected.drop(columns="spectrum_origin"))
    assert (found["spectrum_origin"] == "measured").all()


def test_a_dark_channel_is_raised_as_it_is_for_other_commands(run):
    soils = library()
    reflectance = 10.0 ** -soils.spectra.astype(float)
    reflectance[[2, 10], [5, 9]] = 0, -0.01
    dark = replace(soils, spectra=reflectance, signal="reflectance")
    outcome, table = run(dark, signal="reflectance")
    # Row 2 is one of those fitted to, row 10 is filled.
    assert "reflectance below 0.001 was set to 0.001 in 1 sample" in outcome.notes
    assert table["usable"][[2, 10]].all() and table["origin"][10] == "imputed"
    raised = replace(soils, spectra=-np.log10(np.maximum(dark.spectra, 1e-3)))
    assert_allclose(table["predicted"], run(raised)[1]["predicted"], rtol=1e-4)


@pytest.mark.parametrize("name", ["hybrid.csv", "hybrid.csv.gz"])
def test_as_csv_too(run, filled, name):
    _, table = run(library(), name=name, level=0.8, random_state=3)
    pd.testing.assert_frame_equal(table, filled[1], check_dtype=False)


def test_a_part_of_many_measured_rows_is_fitted_to_in_equal_parts(run):
    soils = library(n=300)
    soils.samples["laboratory"] = ["small" if i % 15 == 1 else "large" if i % 2 else "middle" for i in range(300)]
    known = soils.properties["c_g_kg"].notna().to_numpy()
    outcome, table = run(soils, fit_rows=100)
    assert soils.samples["laboratory"][known].value_counts().to_dict() == {"middle": 110, "large": 108, "small": 20}
    assert sorted(outcome.records["n"]) == [20, 40, 40, 100]
    assert tuple(outcome.notes) == ("fitted to 100 of 238 measured rows, in equal parts by laboratory", CHANNELS)
    assert table["predicted"][known].notna().sum() == 100 and table["predicted"][~known].notna().sum() == 61
    assert_array_equal(table["value"][known], soils.properties["c_g_kg"][known])


def test_measured_contents_beyond_the_limits_are_kept_and_not_fitted_to(run):
    soils = altered(altered(library(), 1, "c_g_kg", 900.0), 2, "c_g_kg", -1.0)
    outcome, table = run(soils)
    assert tuple(outcome.notes) == (
        "warning: 1 content of c_g_kg outside 0 to 1000 g/kg (-1), read as not measured (row 4, column c_g_kg). "
        "Check them against the source; where they are many, the unit in the name is wrong.",
        "1 measured content outside 0 to 580, kept and not fitted to",
        CHANNELS,
    )
    assert table["value"][1] == 900.0 and list(table["origin"][1:3]) == ["measured", "imputed"]
    assert np.isnan(table["predicted"][1]) and table["value"][2] == table["predicted"][2] >= 0
    assert outcome.records.loc["all", "n"] == outcome.counts["measured"] - 1


@pytest.mark.parametrize("code", [-9999.0, -99, 9999, -1.23e34])
def test_a_code_is_never_written_as_measured(run, code):
    soils = library()
    measured = soils.properties["c_g_kg"].notna().sum()
    outcome, table = run(altered(soils, 2, "c_g_kg", code))
    assert outcome.counts["measured"] == measured - 1 and table["origin"][2] == "imputed"
    assert table["value"].dropna().between(0, 580).all()


def test_nothing_to_fill_is_a_note_and_a_property_without_limits_has_none(run):
    outcome, table = run(library(), target="lg_c")
    assert tuple(outcome.notes) == (
        "nothing to fill: lg_c is measured in all 150 rows",
        CHANNELS,
        "1 of 150 rows to fit have no usable spectrum and are left out",
    )
    assert [outcome.counts[name] for name in filling.ORIGINS] == [150, 0, 0]
    assert table["predicted"].min() < 0.9 and table["predicted"].isna().sum() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "n_pct"}, "no column 'n_pct' with numbers; there are: c_g_kg, om_g_kg, lg_c"),
        ({"target": "om_g_kg"}, "om_g_kg is not measured in any of 150 rows"),
        ({"target": "one_pct"}, "one_pct is measured in 1 sample: at least 40 are needed"),
        ({"target": "same_pct"}, "same_pct is 5 wherever it is measured: there is nothing to predict"),
        ({"level": 90}, "a level of 90: give a share between 0 and 1"),
        ({"signal": "counts"}, "raw counts are not accepted"),
    ],
)
def test_what_cannot_be_filled_is_told(run, tmp_path, options, message):
    soils = library()
    soils = replace(soils, properties=soils.properties.assign(one_pct=np.nan, same_pct=5.0))
    with pytest.raises(ValueError, match=message):
        run(altered(soils, 3, "one_pct", 5.0), **options)
    assert not (tmp_path / "runs").exists() and not (tmp_path / "hybrid.parquet").exists()


def test_too_few_channels_sites_or_spectra_are_told(run):
    with pytest.raises(ValueError, match="share 75 channels of 600 to 3998 1/cm: at least 100 are needed"):
        run(library(axis=np.arange(600, 750, 2.0)))
    alone = library(laboratories=("north",))
    alone.samples["site"] = "here"
    with pytest.raises(ValueError, match="one laboratory and 1 site: at least 3 sites, or 2 laboratories"):
        run(alone)
    spectra = library().spectra.copy()
    spectra[30:] = 1.0
    with pytest.raises(ValueError, match="measured and the spectrum usable in 23 rows: at least 40"):
        run(replace(library(), spectra=spectra))


def test_the_library_itself_is_never_written_to(tmp_path):
    write_partitions(iter([library()]), tmp_path / "parts")
    for place in (tmp_path / "parts", tmp_path / "parts" / "hybrid.parquet"):
        with pytest.raises(ValueError, match="this would change the library itself"):
            fill_gaps(tmp_path / "parts", "c_g_kg", place, log_pls)


def test_parts_are_kept_by_all_that_the_values_depend_on(tmp_path):
    path, soils = tmp_path / "library.parquet", library()

    def key(dataset=soils, target="c_g_kg", model=log_pls, **options):
        write_table(dataset, path)
        os.utime(path, ns=(1, 1))
        return study._key(make_plan(path, target, model, **options))

    columns = {"laboratory": ["a", "b"] * 75, "site": range(150), "group": [f"group {i // 6}" for i in range(150)]}
    keys = [
        key(),
        *(key(replace(soils, samples=soils.samples.assign(**{name: column}))) for name, column in columns.items()),
        key(altered(soils, 1, "c_g_kg", 9.0)),
        key(altered(soils, 1, "c_g_kg", np.nan)),
        key(target="lg_c"),
        key(model=study.content_network),
        key(model=study.pretrained),
        key(signal="reflectance"),
        key(harmonise="snv"),
        key(level=0.8),
        key(fit_rows=100),
        key(random_state=1),
    ]
    assert len(set(keys)) == len(keys) and key() == keys[0]
    # The spectra count by the time of the file.
    os.utime(path, ns=(2, 2))
    assert study._key(make_plan(path, "c_g_kg", log_pls)) != keys[0]


def test_a_file_that_cannot_be_finished_is_not_there(run, tmp_path, monkeypatch):
    monkeypatch.setattr(filling.pa, "table", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run(library())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["library.parquet", "runs"]


def test_memory_does_not_grow_with_the_rows_to_fill(tmp_path):
    soils, peaks = library(60), []
    empty = replace(soils, properties=soils.properties.assign(c_g_kg=np.nan))
    for n_parts in (3, 12):
        named = (
            replace(part, samples=part.samples.assign(sample_id=[f"{number}-{i}" for i in range(60)]))
            for number, part in enumerate([soils] + [empty] * n_parts)
        )
        write_partitions(named, tmp_path / f"parts{n_parts}", rows=60)
        plan, kept = make_plan(tmp_path / f"parts{n_parts}", "c_g_kg", log_pls), KeptParts(tmp_path / "runs", "key")
        imputer = study._fitted(plan, kept, None, None)[0]
        tracemalloc.start()
        blocks = filling.filled_blocks(imputer, Run(KeptParts(tmp_path / "runs", str(n_parts)), None), 60)
        assert [len(block) for block in blocks] == [60] * (n_parts + 1)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.15 * peaks[0]


def tiny_network(limits, random_state):
    recipe = Recipe("tiny", 0.003, 16, max_epochs=2, patience=2, one_cycle=True, centred=True)
    config = replace(CONTENT_NETWORK, n_filters=4, n_last=2, hidden=(4,))
    return content_network(limits, random_state).set_params(n_members=1, n_passes=3, recipe=recipe, config=config)


def test_the_network_of_the_command_fills_a_library(run):
    made = content_network((0, 580), 4)
    assert isinstance(made, ContentNetwork) and (made.limit, made.random_state) == (580, 4)
    # 121 channels, of which a network that averages over five can use 120.
    _, table = run(library(60, axis=np.append(AXIS, 840.0)), model=tiny_network)
    empty = table["origin"] == "imputed"
    assert table["value"][empty].between(0, 580, inclusive="neither").all() and table["sd"][empty].gt(0).all()
    assert table["predicted"].notna().sum() == 59
    with pytest.raises(ValueError, match="between 0 and an upper limit, which this property has not; give --model pls"):
        run(library(60), target="lg_c", model=content_network)


def test_the_workers_of_a_cluster_give_the_same(run, tmp_path):
    from distributed import LocalCluster

    write_partitions(iter([library()]), tmp_path / "parts", rows=50)
    here = run(tmp_path / "parts")
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, processes=False, dashboard_address=None) as cluster,
        task_runner(cluster.scheduler_address) as runner,
    ):
        there = fill_gaps(
            tmp_path / "parts", "c_g_kg", tmp_path / "there.parquet", log_pls, runner=runner, block_rows=32
        )
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "there.parquet"), here[1])
    pd.testing.assert_frame_equal(there.records, here[0].records)
    assert there.counts == here[0].counts and sum(there.counts[name] for name in filling.ORIGINS) == 150


def test_a_cluster_is_not_given_a_csv(tmp_path):
    write_table(library(), tmp_path / "library.csv")
    cluster = Cluster(None, "nowhere")
    with pytest.raises(ValueError, match="write it as Parquet before"):
        fill_gaps(tmp_path / "library.csv", "c_g_kg", tmp_path / "hybrid.parquet", log_pls, runner=cluster)

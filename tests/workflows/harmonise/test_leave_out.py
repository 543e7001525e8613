from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.dummy import DummyRegressor

from spectrakit.evaluation.intervals import pooled_threshold
from spectrakit.models.baselines import StagedPLS
from spectrakit.preprocess.harmonise import HARMONISATIONS, Harmoniser, LaboratoryProjection
from spectrakit.spectra import SpectralDataset
from spectrakit.tables import read_table, write_table
from spectrakit.workflows.harmonise import choices as possible
from spectrakit.workflows.harmonise import laboratory_tables
from spectrakit.workflows.harmonise import leave_out as laboratories
from spectrakit.workflows.harmonise.choices import (
    Choice,
    harmonised_spectra,
    possible_harmonisations,
    scale_of,
    soils_to_predict,
)
from spectrakit.workflows.harmonise.laboratory_tables import read_laboratories
from spectrakit.workflows.harmonise.leave_out import leave_laboratories_out
from spectrakit.workflows.harmonise.report import bias_frame, effect_frame, reading_lines, score_frame
from spectrakit.workflows.harmonise.standards import ring_of

AXIS = np.arange(700.0, 1310, 10)
COLUMNS = ["model", "harmonisation", "laboratory", "n_train", "n_test", "r2", "rmse", "bias", "sep", "rpiq"]
COLUMNS += ["coverage_90", "width_90", "outside"]
MEAN = {"mean": lambda random_state=None: DummyRegressor()}


def absorbance(n_samples, seed):
    """Spectra of three bands on a sloping ground, and the contents whose logarithm the first band tells."""
    random = np.random.default_rng(seed)
    strength = random.uniform(0, 1, (n_samples, 3))
    bands = np.exp(-0.5 * ((AXIS - np.array([[800], [1000], [1200]])) / 40) ** 2)
    spectra = 0.5 + AXIS / 2000 + strength @ bands + random.normal(0, 1e-3, (n_samples, len(AXIS)))
    return spectra, 10 ** (strength[:, 0] + 0.5)


def gain(spectra):
    """A laboratory that multiplies and shifts: what SNV takes out."""
    return 1.7 * spectra + 0.4


def curved(spectra):
    """A laboratory whose detector weighs channels and whose background bends: what SNV does not take out."""
    return spectra * (1 + 0.15 * np.sin(AXIS / 90)) + 0.5 * ((AXIS - 700) / 600) ** 2


def dataset_of(spectra, samples, soc_pct=np.nan, **others):
    properties = pd.DataFrame({"soc_pct": soc_pct, "clay_pct": 20.0}, index=range(len(spectra)))
    provenance = {"origin": "measured", "source": "a test"} | others
    return SpectralDataset(spectra, AXIS, "cm-1", "absorbance", properties, pd.DataFrame(samples), provenance)


def soils_of(n_samples=24, **distortions):
    """Soils of laboratories, each with its distortion (None for none), n_samples of each."""
    spectra, contents = zip(*(absorbance(n_samples, seed) for seed in range(len(distortions))), strict=True)
    names = np.repeat(list(distortions), n_samples)
    samples = {"sample_id": [f"{name}-{i}" for i, name in enumerate(names)], "laboratory": names}
    return dataset_of(scanned(spectra, distortions), samples, np.concatenate(contents))


def scanned(spectra, distortions):
    """Spectra of each laboratory, one after the other, with its distortion."""
    pairs = zip(spectra, distortions.values(), strict=True)
    return np.concatenate([true if distort is None else distort(true) for true, distort in pairs])


def with_standards(n_samples=24, n_standards=12, **distortions):
    """Soils of laboratories, and scans of the same standards by each of these."""
    scans = scanned([absorbance(n_standards, 99)[0]] * len(distortions), distortions)
    names = [f"R{i}" for i in range(n_standards)] * len(distortions)
    samples = {"sample_id": names, "laboratory": np.repeat(list(distortions), n_standards)}
    return laboratory_tables._pooled([soils_of(n_samples, **distortions), dataset_of(scans, samples)])


def soils_and_ring(n_samples=24, **distortions):
    """Soils of laboratories, and their ring trial."""
    whole = with_standards(n_samples, **distortions)
    standards, ring, _ = ring_of(whole)
    return whole.subset(~standards), ring


def choice(name, ring=None):
    return {name: Choice(HARMONISATIONS[name], ring)}


def by_laboratory(records, harmonisation, model="pls"):
    part = records[(records["harmonisation"] == harmonisation) & (records["model"] == model)]
    return part.set_index("laboratory")


# --- planted cases --------------------------------------------------------------------------------------


def test_snv_recovers_a_laboratory_that_multiplies_and_shifts():
    soils = soils_of(plain=None, bright=gain)
    records = leave_laboratories_out(soils, "soc_pct", choice("none") | choice("snv"))
    assert list(records) == COLUMNS and len(records) == 2 * 2 * 2
    without, snv = by_laboratory(records, "none"), by_laboratory(records, "snv")
    assert without["r2"].max() < 0 and snv["r2"].min() > 0.9
    assert without["outside"].min() == 1 and snv["outside"].max() < 0.2
    assert without["coverage_90"].max() < 0.3 and snv["coverage_90"].min() > 0.6
    assert by_laboratory(records, "snv", "mean")["r2"].equals(by_laboratory(records, "none", "mean")["r2"])


@pytest.mark.parametrize("name", ["ds", "sst"])
def test_standards_recover_what_snv_cannot(name):
    whole = with_standards(plain=None, bent=curved, bright=gain)
    standards, ring, notes = ring_of(whole)
    assert notes == ["12 standards scanned by 3 laboratories: a ring trial, no samples"]
    assert standards.sum() == 36 and set(whole.samples["sample_id"][standards]) == {f"R{i}" for i in range(12)}
    soils = whole.subset(~standards)
    records = leave_laboratories_out(soils, "soc_pct", choice("snv") | choice(name, ring), reference="plain")
    assert by_laboratory(records, "snv").loc["bent", "r2"] < 0
    assert by_laboratory(records, name)["r2"].min() > 0.9


def test_directions_of_a_ring_trial_without_the_laboratory_left_out_serve_it_too():
    def cloudy(amount):
        band = np.exp(-0.5 * ((AXIS - 840) / 30) ** 2)
        return lambda spectra: spectra + amount * band

    soils, ring = soils_and_ring(a=cloudy(0.0), b=cloudy(0.02), c=cloudy(-0.02), d=cloudy(1.5))
    models = {"pls": lambda random_state: StagedPLS(3)}
    chosen = choice("none") | {"epo": Choice(lambda reference: LaboratoryProjection(n_components=1), ring)}
    records = leave_laboratories_out(soils, "soc_pct", chosen, models)
    assert by_laboratory(records, "none").loc["d", "r2"] < 0
    assert by_laboratory(records, "epo").loc["d", "r2"] > 0.9


# --- no leak --------------------------------------------------------------------------------------------


class Spied(RegressorMixin, BaseEstimator):
    """Keeps what it was fitted to and asked for, and predicts the mean."""

    def __init__(self, seen):
        self.seen = seen

    def fit(self, X, y):
        self.mean_ = np.mean(y)
        self.seen.append(set(np.round(y, 9)))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


@pytest.mark.parametrize("n_laboratories", [3, 4])
def test_nothing_of_the_laboratory_left_out_reaches_a_fit(n_laboratories):
    soils, ring = soils_and_ring(10, **dict.fromkeys("abcd"[:n_laboratories]))
    y, laboratory = np.log10(soils.properties["soc_pct"].to_numpy()), soils.samples["laboratory"].to_numpy(str)
    fitted, harmonised = [], []

    class SpiedHarmoniser(Harmoniser):
        def fit(self, X, y=None, *, laboratory=None, ring=None):
            harmonised.append((set(laboratory), set(ring[2]), len(X)))
            return super().fit(X, laboratory=laboratory, ring=ring)

    study = laboratories.LeaveOut(
        soils.spectra.astype(float),
        y,
        laboratory,
        possible.site_labels(soils),
        Choice(lambda reference: SpiedHarmoniser(), ring),
        {"spy": lambda random_state: Spied(fitted)},
    )
    study.laboratory_scores("b")
    inner = 5 if n_laboratories == 3 else 3
    assert len(fitted) == len(harmonised) == 1 + inner
    of_b = set(np.round(y[laboratory == "b"], 9))
    for contents, (seen, scanned, _) in zip(fitted, harmonised, strict=True):
        assert not contents & of_b and "b" not in seen | scanned
        assert scanned == seen
    sizes = [n_rows for *_, n_rows in harmonised]
    assert sizes == ([20, 16, 16, 16, 16, 16] if n_laboratories == 3 else [30, 20, 20, 20])


def test_contents_of_the_laboratory_left_out_change_its_scores_and_no_interval():
    soils = soils_of(plain=None, bright=gain, other=None)
    changed = soils.properties.copy()
    of_bright = (soils.samples["laboratory"] == "bright").to_numpy()
    changed.loc[of_bright, "soc_pct"] = np.random.default_rng(1).permutation(changed.loc[of_bright, "soc_pct"])
    one, other = (
        by_laboratory(leave_laboratories_out(found, "soc_pct", choice("snv")), "snv").loc["bright"]
        for found in (soils, replace(soils, properties=changed))
    )
    assert one["width_90"] == other["width_90"] and one["outside"] == other["outside"]
    assert one["r2"] > 0.95 and other["r2"] < 0.3
    assert one["bias"] == pytest.approx(other["bias"], abs=1e-12)


def test_a_site_is_never_divided_within_the_training_laboratories():
    soils = soils_of(20, a=None, b=None)
    sites = [f"site {i // 4}" for i in range(40)]
    soils = replace(soils, samples=soils.samples.assign(site=sites))
    y = np.log10(soils.properties["soc_pct"].to_numpy())
    fitted = []
    models = {"spy": lambda random_state: Spied(fitted)}
    leave_laboratories_out(soils, "soc_pct", choice("none"), models)
    of_site = pd.Series(np.round(y, 9)).groupby([soils.samples["laboratory"], sites]).agg(set)
    assert [len(found) for found in fitted] == [20, *[16] * 5] * 2
    for contents in fitted:
        assert all(site <= contents or not site & contents for site in of_site)


# --- what the numbers are -------------------------------------------------------------------------------


def test_the_mean_and_its_intervals_are_those_made_by_hand():
    soils = soils_of(12, a=None, b=None, c=None, d=None)
    y = np.log10(soils.properties["soc_pct"].to_numpy()).reshape(4, 12)
    found = by_laboratory(leave_laboratories_out(soils, "soc_pct", choice("none"), MEAN), "none", "mean").loc["c"]
    known = y[[0, 1, 3]]
    error = known.mean() - y[2]
    assert (found["n_train"], found["n_test"]) == (36, 12)
    assert found["bias"] == pytest.approx(error.mean()) and found["rmse"] == pytest.approx(np.sqrt(np.mean(error**2)))
    assert found["sep"] == pytest.approx(y[2].std())
    left_out = np.abs([known[i] - np.delete(known, i, axis=0).mean() for i in range(3)])
    threshold = pooled_threshold(left_out.ravel(), 0.9, np.repeat([0, 1, 2], 12))
    assert found["width_90"] == pytest.approx(2 * threshold)
    assert found["coverage_90"] == np.mean(np.abs(error) <= threshold)


def test_two_training_laboratories_calibrate_by_sites_left_out_and_the_rank_of_the_sample():
    soils = soils_of(10, a=None, b=None, c=None)
    found = by_laboratory(leave_laboratories_out(soils, "soc_pct", choice("none"), MEAN), "none", "mean").loc["c"]
    y = np.log10(soils.properties["soc_pct"].to_numpy())[:20]
    folds = laboratories.GroupKFold(5, shuffle=True, random_state=0)
    groups = possible.site_labels(soils)[:20]
    error = np.empty(20)
    for training, held in folds.split(y, groups=groups):
        error[held] = np.abs(y[held] - y[training].mean())
    assert found["width_90"] == pytest.approx(2 * np.sort(error)[18])  # rank ceil(21 x 0.9) = 19


def test_the_stage_is_the_best_on_average_over_laboratories():
    y, groups = np.zeros(5), np.array(["large"] * 4 + ["small"])
    held_out = np.array([[1.0, 1, 1, 1, 3], [1.5, 1.5, 1.5, 1.5, 0]])
    assert laboratories.best_stage(held_out, y, groups) == 1
    assert laboratories.best_stage(held_out[:, :4], y[:4], None) == 0


def test_the_scale_is_asked_for_or_follows_from_the_contents():
    assert scale_of([1, 2], "soc_pct") == "log10" and scale_of([0, 2], "soc_pct") == "natural"
    assert scale_of([5, 8], "ph") == "natural" and scale_of([5, 8], "ph", "log10") == "log10"
    with pytest.raises(ValueError, match="soc_pct is not above 0 in 1 sample; give --scale natural"):
        scale_of([0, 2], "soc_pct", "log10")
    with pytest.raises(ValueError, match="scale 'ln': give one of log10, natural"):
        scale_of([1], "soc_pct", "ln")


def test_natural_scale_is_in_the_unit_of_the_contents():
    soils = soils_of(12, a=None, b=None)
    found = leave_laboratories_out(soils, "soc_pct", choice("none"), MEAN, "natural").iloc[0]
    assert found["sep"] == pytest.approx(soils.properties["soc_pct"][:12].std(ddof=0))


def test_laboratories_are_kept_by_all_that_their_scores_depend_on(tmp_path, monkeypatch):
    soils = soils_of(12, a=None, b=None)
    monkeypatch.setattr(laboratories, "_scores", lambda *_: pd.DataFrame({"model": ["mean"]}))

    def key(**changed):
        given = {"soils": soils, "target": "soc_pct", "choices": choice("none"), "models": MEAN} | changed
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        leave_laboratories_out(**given, folder=folder)
        (path,) = folder.iterdir()
        return path.name

    samples, ring = soils.samples, (soils.spectra[:2], np.array(["R", "R"]), np.array(["a", "b"]))
    keys = [
        key(**changed)
        for changed in (
            {},
            {"soils": replace(soils, spectra=soils.spectra * 1.01)},
            {"soils": replace(soils, axis=soils.axis + 1)},
            {"soils": replace(soils, properties=soils.properties * 2)},
            {"soils": replace(soils, samples=samples.assign(laboratory=["a", "b"] * 12))},
            {"soils": replace(soils, samples=samples.assign(site=np.arange(24) // 2))},
            {"soils": replace(soils, samples=samples.assign(group=np.arange(24) // 2))},
            {"choices": choice("snv")},
            {"choices": choice("none", ring)},
            {"choices": choice("none", (ring[0] * 2, *ring[1:]))},
            {"models": {"pls": possible.MODELS["pls"]}},
            {"scale": "natural"},
            {"reference": "a"},
            {"random_state": 1},
        )
    ]
    assert len(set(keys)) == len(keys)
    named = replace(soils, properties=soils.properties.rename(columns={"soc_pct": "oc_pct"}))
    assert key(soils=named, target="oc_pct", scale="log10") == keys[0]


# --- what is possible -----------------------------------------------------------------------------------


def test_names_that_coincide_are_no_standards():
    soils = soils_of(a=None, b=gain)
    numbered = replace(soils, samples=soils.samples.assign(sample_id=[str(i) for i in range(24)] * 2))
    mask, ring, notes = ring_of(numbered)
    assert not mask.any() and ring is None
    assert notes == [
        "24 names of samples in several laboratories, but spectra of a name are not similar: taken for different "
        "samples"
    ]
    assert ring_of(soils) == (pytest.approx(np.zeros(48, bool)), None, [])


def test_standards_too_few_to_be_told_from_chance_are_left_out():
    mask, ring, notes = ring_of(with_standards(n_standards=6, a=None, b=gain))
    assert mask.sum() == 12 and mask[48:].all() and ring is None
    assert notes == ["6 names of samples in several laboratories, too few to tell standards from chance (7): left out"]


@pytest.fixture
def small_trial(monkeypatch):
    """A quick ring trial in place of the simulated one, on its axis; and how often it was made."""
    made = []

    def trial(random_state):
        made.append(random_state)
        axis = possible.library_axis()
        spectra = np.random.default_rng(0).normal(size=(18, len(axis)))
        samples = {"sample_id": [f"R{i}" for i in range(6)] * 3, "laboratory": np.repeat(["x", "y", "z"], 6)}
        nothing, samples = pd.DataFrame(index=range(18)), pd.DataFrame(samples)
        return SpectralDataset(spectra, axis, "cm-1", "absorbance", nothing, samples, {"origin": "simulated"})

    monkeypatch.setattr(possible, "ring_trial", trial)
    return made


def test_what_can_be_tried_with_and_without_standards(small_trial):
    simulated = ["epo (simulated ring)", "snv+epo (simulated ring)"]
    choices, notes = possible_harmonisations(soils_of(a=None, b=None, c=None), random_state=3)
    assert list(choices) == ["none", "snv", "msc", "derivative", "snv+derivative", "top", "snv+top", *simulated]
    assert notes == ["ds, pds and sst not tried: no standards scanned by several laboratories"]
    assert small_trial == [3] and choices[simulated[0]].ring[0].shape == (18, len(AXIS))
    assert choices[simulated[0]].simulated and choices["none"].ring is None

    soils, ring = soils_and_ring(**dict.fromkeys("abc"))
    choices, notes = possible_harmonisations(soils, ring)
    assert list(choices)[7:] == [*possible.BY_TRANSFER, "epo", "snv+epo", *simulated] and notes == []

    two = soils.subset(soils.samples["laboratory"] != "c")
    part = tuple(values[ring[2] != "c"] for values in ring)
    choices, notes = possible_harmonisations(two, part)
    assert list(choices) == [*possible.WITHOUT_STANDARDS[:5], *possible.BY_TRANSFER, *simulated]
    assert notes == [
        "top not tried: it needs two laboratories to train on, so three in all",
        "epo not tried with these standards: two laboratories beside those left out must have scanned them",
    ]
    lacking = tuple(values[~((ring[2] == "c") & (ring[1] > "R3"))] for values in ring)
    choices, notes = possible_harmonisations(soils, lacking)
    assert not set(possible.BY_TRANSFER) & set(choices) and "epo" in choices
    assert notes == ["ds, pds and sst not tried: 6 standards scanned by all, 7 are needed"]


def test_the_simulated_ring_trial_is_not_for_simulated_soils_nor_for_other_channels(small_trial):
    soils = soils_of(a=None, b=None)
    simulated = replace(soils, provenance={"origin": "simulated"})
    for dataset in (simulated, replace(soils, axis=soils.axis + 4000), replace(soils, axis_unit="nm")):
        choices, notes = possible_harmonisations(dataset)
        assert not any("epo" in name for name in choices) and notes[-1].endswith(": not used")
    assert small_trial == []


def test_laboratories_that_cannot_be_left_out_are_told():
    soils = soils_of(a=None, b=None, few=None)
    kept = np.r_[np.full(48, True), np.arange(24) < 9]
    part, notes = soils_to_predict(soils.subset(kept), "soc_pct")
    assert set(part.samples["laboratory"]) == {"a", "b"}
    assert notes == ["not left out, nor trained on, with fewer than 10 samples of 5 sites: few"]
    sites = soils.samples.assign(site=["one"] * 24 + list(map(str, range(48))))
    with pytest.raises(
        ValueError,
        match="10 samples of 5 sites are needed, not a with 24 samples of 1 site, b with 24 samples of 24 sites",
    ):
        soils_to_predict(replace(soils, samples=sites).subset(np.arange(72) < 48), "soc_pct")


# --- tables ---------------------------------------------------------------------------------------------


def write(path, spectra, axis, **columns):
    frame = pd.DataFrame(spectra, columns=[f"{value:g}" for value in axis])
    pd.concat([pd.DataFrame(columns, index=range(len(spectra))), frame], axis=1).to_csv(path, index=False)


def test_tables_become_absorbance_on_what_all_cover(tmp_path):
    first, second = np.arange(649.0, 1001, 4), np.arange(1200.0, 701, -5)
    names = {"sample_id": ["s1", "s2", "s3"], "soc_pct": 1.0}
    bright = np.full((3, len(first)), 50.0)
    bright[0, -1], bright[1, -2], bright[2, 0] = 120, 0, 200  # the last lies below what both cover
    bright = np.vstack([bright, np.full(len(first), 30.0)])
    bright[3, 40] = np.nan
    write(tmp_path / "one.lab.csv", bright, first, sample_id=["s1", "s2", "s3", "s4"], soc_pct=1.0)
    write(tmp_path / "two.csv", np.full((3, len(second)), 10.0), second, lab=["x", "y", "x"], **names)
    dataset, notes = read_laboratories([tmp_path / "one.lab.csv", tmp_path / "two.csv"], "cm-1", "percent-reflectance")
    assert (dataset.signal, dataset.axis_unit) == ("absorbance", "cm-1")
    np.testing.assert_array_equal(dataset.axis, np.arange(705.0, 1000, 5))
    assert list(dataset.samples["laboratory"]) == ["one", "one", "one", "x", "x", "y"] and "lab" not in dataset.samples
    assert notes == [
        "59 channels, 705 to 995 cm-1 every 5 (of one 649-997, x 705-1200, y 705-1200)",
        "one: 1 of 4 samples left out: channels are missing (s4)",
        "one: reflectance below 0.001 was set to 0.001 in 1 sample",
        "one: reflectance up to 120 % in 1 sample: kept, absorbance is below 0",
    ]
    np.testing.assert_allclose(dataset.spectra[2], np.log10(2), rtol=1e-6)
    np.testing.assert_allclose(dataset.spectra[3:], 1, rtol=1e-6)
    assert dataset.spectra[0, -1] == pytest.approx(-0.5 * np.log10(1.2) + 0.5 * np.log10(2), abs=1e-6)
    assert dataset.provenance["source"] == "file one.lab.csv; file two.csv"


def test_mid_infrared_tables_keep_to_the_simulated_library_and_leave_out_gaps(tmp_path):
    axis = np.arange(500.0, 4500, 10)
    gap = (axis > 2200) & (axis < 2450)
    write(tmp_path / "a.csv", np.full((2, len(axis)), 0.5), axis, sample_id=["s1", "s2"])
    write(tmp_path / "b.csv", np.full((2, (~gap).sum()), 0.5), axis[~gap], sample_id=["s1", "s2"])
    dataset, notes = read_laboratories([tmp_path / "a.csv", tmp_path / "b.csv"])
    np.testing.assert_array_equal(dataset.axis, np.r_[np.arange(600.0, 2201, 10), np.arange(2450.0, 3991, 10)])
    assert notes[1:] == [
        "channels outside 600 to 3998 cm-1 are not used: the simulated ring trial has none",
        "b has no channel between 2200 and 2450 cm-1: left out of all",
    ]


@pytest.mark.parametrize(
    ("tables", "signal", "problem"),
    [
        (
            {"a.csv": {}},
            "absorbance",
            r"one laboratory \(a\): give two tables or more, or one with",
        ),
        ({"a.csv": {}, "a.b.csv": {}}, "absorbance", "laboratory a is in two tables"),
        ({"a.csv": {}, "b.csv": {"lab": "a"}}, "absorbance", "laboratory a is in two tables"),
        ({"a.csv": {"laboratory": ["x", "", "y"]}}, "absorbance", "a.csv: no laboratory in 1 row, first s1"),
        ({"a.csv": {}, "b.csv": {"shift": 1000}}, "absorbance", r"share 0 channels every 10 cm-1 \(a 700-1300, b 1700"),
        ({"a.csv": {}, "b.csv": {}}, "counts", "raw counts are not accepted"),
    ],
)
def test_tables_that_cannot_be_compared(tmp_path, tables, signal, problem):
    for name, columns in tables.items():
        columns = {"sample_id": ["s0", "s1", "s2"]} | columns
        write(tmp_path / name, np.full((3, len(AXIS)), 0.5), AXIS + columns.pop("shift", 0), **columns)
    with pytest.raises(ValueError, match=problem):
        read_laboratories([tmp_path / name for name in tables], "cm-1", signal)


def test_tables_of_the_same_laboratory_are_joined_where_a_column_names_it(tmp_path):
    whole = with_standards(a=None, b=gain)
    write_table(whole.subset(np.arange(72) < 48), tmp_path / "soils.csv")
    write_table(whole.subset(np.arange(72) >= 48), tmp_path / "ring.parquet")
    dataset, _ = read_laboratories([tmp_path / "soils.csv", tmp_path / "ring.parquet"])
    assert dataset.samples["laboratory"].value_counts().to_dict() == {"a": 36, "b": 36}
    assert ring_of(dataset)[0].sum() == 24


def test_harmonised_spectra_say_what_they_are(tmp_path):
    soils = soils_of(a=None, b=gain)
    found = harmonised_spectra(soils, choice("snv"), "snv")
    np.testing.assert_allclose(found.spectra.std(1), 1, rtol=1e-5)
    assert found.provenance_line() == "measured, a test, harmonisation snv, so that the signal is no absorbance"
    write_table(found, tmp_path / "snv.csv")
    back = read_table(tmp_path / "snv.csv", "cm-1", "absorbance")
    np.testing.assert_allclose(back.spectra, found.spectra, rtol=1e-5)
    assert set(back.samples["harmonisation"]) == {"snv"} and list(back.samples["laboratory"][[0, 47]]) == ["a", "b"]
    with pytest.raises(ValueError, match="harmonisation 'ds': give one of snv"):
        harmonised_spectra(soils, choice("snv"), "ds")


# --- what is shown --------------------------------------------------------------------------------------


@pytest.fixture
def records():
    rows = [
        ("mean", "none", "a", 20, 10, -0.1, 0.5, 0.1, 0.49, 1.0, 0.9, 1.0, 0.1),
        ("mean", "none", "b", 10, 20, -0.2, 0.6, 0.1, 0.59, 1.0, 0.9, 1.0, 0.3),
        ("pls", "none", "a", 20, 10, 0.5, 0.2, 0.05, 0.19, 1.0, 0.8, 1.0, 0.1),
        ("pls", "none", "b", 10, 20, -0.25, 0.4, 0.3, 0.26, 1.0, 0.6, 2.0, 0.3),
        ("pls", "snv", "a", 20, 10, 0.48, 0.204, -0.1, 0.17, 1.0, 0.9, 1.0, 0.0),
        ("pls", "snv", "b", 10, 20, 0.3, 0.3, 0.0, 0.3, 1.0, 1.0, 2.0, 0.1),
        ("pls", "top", "a", 20, 10, -1.0, 0.4, 0.1, 0.39, 1.0, 0.0, 1.0, 0.0),
        ("pls", "top", "b", 10, 20, -1.0, 0.5, 0.0, 0.5, 1.0, 0.5, 2.0, 0.1),
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def test_tables_of_scores_star_the_best_and_end_with_the_mean(records):
    frame = score_frame(records, "pls")
    assert list(frame) == ["a (10)", "b (20)"] and list(frame.index) == ["none", "snv", "top", "(mean of the others)"]
    assert list(frame["a (10)"]) == ["0.50 | 0.2 *", "0.48 | 0.204", "-1.00 | 0.4", "-0.10 | 0.5"]
    assert list(frame["b (20)"])[1] == "0.30 | 0.3 *"
    assert list(bias_frame(records, "pls")["a (10)"]) == ["+0.05 | 0.19", "-0.1 | 0.17 *", "+0.1 | 0.39"]


def test_where_it_helps_and_hurts(records):
    frame = effect_frame(records, "pls")
    assert frame["helps"].to_dict() == {"none": "-", "snv": "b -25 %", "top": "-"}
    assert frame["hurts"].to_dict() == {"none": "-", "snv": "-", "top": "b +25 %, a +100 %"}
    assert frame.loc["snv", ["mean RMSE", "coverage of 90 %", "width", "outside"]].tolist() == [
        "0.252",
        "95 (90-100) %",
        "1.5",
        "5 %",
    ]


def test_the_promise_depends_on_how_many_laboratories_calibrate():
    assert reading_lines(3)[1].endswith("for another they promise nothing") and len(reading_lines(3, {"pls"})) == 2
    assert reading_lines(3, {"pls", "pretrained"})[2].startswith("those of pretrained are widened")
    assert "from 8 laboratories" in reading_lines(9)[1] and "promise 80 % for another" in reading_lines(9)[1]


def test_three_measured_laboratories(shared):
    paths = [shared / "real" / "mir" / f"{name}.csv.gz" for name in ("h138", "nrw115", "o32")]
    dataset, notes = read_laboratories(paths, "cm-1", "percent-reflectance")
    assert notes == [
        "1,524 channels, 752 to 3798 cm-1 every 2 (of h138 599.8-5397.9, nrw115 549.6-3799, o32 751.1-3800)",
        "h138: reflectance up to 112.8 % in 15 samples: kept, absorbance is below 0",
        "nrw115: reflectance up to 103.3 % in 5 samples: kept, absorbance is below 0",
    ]
    soils, notes = soils_to_predict(dataset, "soc_pct")
    assert len(soils) == 285 and notes == []
    records = leave_laboratories_out(soils, "soc_pct", choice("none"))
    found = by_laboratory(records, "none")
    np.testing.assert_allclose(found["r2"], [0.69, -0.30, -2.35], atol=0.02)
    np.testing.assert_allclose(found["bias"], [-0.037, 0.088, 0.191], atol=0.005)
    assert by_laboratory(records, "none", "mean")["r2"].max() < 0

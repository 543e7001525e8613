from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone

from spectrakit.evaluation.metrics import r2
from spectrakit.models.resnet import ResNetConfig
from spectrakit.training import contents
from spectrakit.training.contents import (
    CONTENT_NETWORK,
    CONTENT_RECIPE,
    ContentNetwork,
    OrganicCarbonNetwork,
    _FoldedLogarithm,
    checked_contents,
    limit_counts,
)

SMALL = ResNetConfig(n_channels=60, pool=3, n_filters=6, n_last=4, hidden=(12,), relu_output=False, dropout=0.1)
QUICK = replace(CONTENT_RECIPE, batch_size=32, max_epochs=12, patience=12, bfloat16=False)


def small(**changes):
    return ContentNetwork(
        **{"n_members": 2, "n_passes": 8, "recipe": QUICK, "config": SMALL, "random_state": 0} | changes
    )


@pytest.fixture(scope="module")
def sites():
    """A hundred of five rows each."""
    return np.repeat(np.arange(100), 5)


@pytest.fixture(scope="module")
def total():
    """Total carbon (500,) in g/kg with a heavy tail."""
    return np.minimum(np.exp(np.random.default_rng(0).normal(2.5, 1.2, 500)), 500)


@pytest.fixture(scope="module")
def organic(total):
    """Organic carbon (500,), any share of the total."""
    return total * np.random.default_rng(1).uniform(0, 1, 500)


@pytest.fixture(scope="module")
def X(total, organic):
    """Spectra (500, 60) of two bands: one as high as the logarithm of the total, one as the share."""
    bands = np.exp(-0.5 * ((np.arange(60) - np.array([[15], [40]])) / 4) ** 2)
    strength = np.column_stack([np.log(total), 3 * organic / total])
    noise = np.random.default_rng(2).normal(0, 0.1, (500, 60))
    return (0.02 * (strength @ bands + noise)).astype(np.float32)


@pytest.fixture(scope="module")
def fitted(X, total, sites):
    return small().fit(X[:400], total[:400], sites[:400])


def strange(X):
    """Spectra unlike any soil's, finite all of them."""
    random = np.random.default_rng(1)
    extremes = [0 * X[:2], 1e6 * X[:5], -1e6 * X[:5], random.normal(0, 1e30, (5, X.shape[1])), np.full((2, 60), 1e36)]
    return np.concatenate([*extremes, -extremes[-1]]).astype(np.float32)


def test_the_default_network_sees_averages_over_ten_wavenumbers():
    assert (CONTENT_NETWORK.n_channels, CONTENT_NETWORK.pool, CONTENT_NETWORK.dropout) == (1700, 5, 0.1)
    assert ContentNetwork().get_params()["limit"] == 580


def test_a_planted_relation_is_learned(X, total, fitted):
    predicted = fitted.predict(X[400:])
    assert r2(np.log(total[400:] + 5), np.log(predicted + 5)) > 0.95
    assert r2(total[400:], predicted) > 0.9
    assert predicted.dtype == float and predicted.shape == (100,)


@pytest.mark.parametrize("limit", [580.0, 1.0])
def test_no_spectrum_is_given_less_than_nothing_or_more_than_the_limit(X, total, sites, limit):
    model = small(limit=limit, n_members=1).fit(X[:200], np.minimum(total[:200], limit), sites[:200])
    predicted, spread = model.predict(strange(X), return_std=True)
    _, passes = model._members_and_passes(strange(X), 8)
    assert (predicted > 0).all() and (predicted < limit).all()
    assert (passes > 0).all() and (passes < limit).all() and passes.shape == (1, 8, 21)
    assert (spread >= 1e-4 * limit).all() and (spread < limit).all()
    # Not for want of reaching far: whatever the network says, the limits hold.
    assert np.ptp(predicted) > 0.9 * limit


def test_spreads_are_those_of_the_members_and_of_their_passes(X, fitted):
    X = X[400:]
    (contents, spreads), (members, passes) = fitted.predict_with_spreads(X), fitted._members_and_passes(X, 8)
    assert list(spreads) == ["members", "passes", "both"] and passes.shape == (2, 8, 100)
    assert (spreads > 0).all(axis=None)
    expected = np.sqrt(passes.var(axis=1, ddof=1).mean(axis=0))
    np.testing.assert_allclose(spreads["passes"], np.maximum(expected, 0.058))
    np.testing.assert_allclose(members, [_single(fitted, place).predict(X) for place in range(2)])
    np.testing.assert_allclose(members.mean(axis=0), contents)
    np.testing.assert_allclose(spreads["members"], np.maximum(members.std(axis=0, ddof=1), 0.058))
    free = (spreads[["members", "passes"]] > 0.058).all(axis=1)
    assert free.sum() > 50
    np.testing.assert_allclose(spreads["both"][free], np.hypot(spreads["members"], spreads["passes"])[free])
    np.testing.assert_array_equal(fitted.predict(X, return_std=True), [contents, spreads["both"]])


def _single(model, place):
    """One member of an ensemble, by itself."""
    one = clone(model).set_params(n_members=1)
    one.networks_ = model.networks_[place : place + 1]
    one.input_scale_, one.n_features_in_ = model.input_scale_, model.n_features_in_
    return one


def test_without_members_and_passes_to_compare_the_spread_is_the_least(X, total, sites):
    one = small(n_members=1, n_passes=0, recipe=replace(QUICK, max_epochs=1)).fit(X, total, sites)
    np.testing.assert_allclose(one.predict_with_spreads(X[:5])[1], 0.058)


def test_the_spread_grows_away_from_the_training_spectra(X, fitted):
    X = X[400:]
    noise = np.random.default_rng(2).normal(0, 0.1, X.shape)
    pairs = (fitted.predict(x, return_std=True) for x in (X, X + noise))
    near, far = (spread / contents for contents, spread in pairs)
    assert np.median(far) > 2 * np.median(near)


def test_a_prediction_does_not_depend_on_the_rows_beside_it(X, fitted):
    X = X[400:]
    expected = fitted.predict(X, return_std=True)
    parts = zip(*(fitted.predict(X[start : start + 7], return_std=True) for start in range(0, 100, 7)), strict=True)
    for part, whole in zip(parts, expected, strict=True):
        np.testing.assert_allclose(np.concatenate(part), whole, rtol=1e-3)
    np.testing.assert_allclose(fitted.predict(X[::-1]), expected[0][::-1], rtol=1e-5)


def test_measured_zeros_are_learned_from(X, total, sites):
    y = np.where(total < 5, 0, total)
    predicted = small(n_members=1).fit(X, y, sites).predict(X)
    assert np.median(predicted[y == 0]) < 4 < 5 < np.median(predicted[y > 5])
    assert r2(np.log(y[y > 20]), np.log(predicted[y > 20])) > 0.6
    assert (predicted > 0).all()


def test_sites_are_not_split_between_training_and_validation(X, sites, monkeypatch):
    fits = []

    def fit_network(network, inputs, targets, recipe, seed, *, validation, **others):
        fits.append((targets, validation[1]))
        return original(network, inputs, targets, recipe, seed, validation=validation, **others)

    original = contents.fit_network
    monkeypatch.setattr(contents, "fit_network", fit_network)
    # A content for each site, so that targets tell which sites these are.
    small(recipe=replace(QUICK, max_epochs=1)).fit(X, sites.astype(float), sites)
    for targets, aside in fits:
        assert (len(targets), len(aside), len(set(aside))) == (450, 50, 10)
        assert not set(targets) & set(aside)
    assert not np.array_equal(fits[0][1], fits[1][1])  # each member has its own validation set


def test_the_training_scale_is_a_started_folded_logarithm():
    scale = _FoldedLogarithm(np.array([0.0, 8.0, 8.0, 40.0, 100.0]), 100.0)
    assert scale.start == 8
    raw = np.log([8 / 108, 16 / 100, 16 / 100, 48 / 68, 108 / 8])
    assert (scale.mean, scale.sd) == pytest.approx((raw.mean(), raw.std()))
    np.testing.assert_allclose(scale.targets(np.array([0.0, 50, 100])) * scale.sd + scale.mean, [raw[0], 0, raw[-1]])
    # What the network gives is brought there by way of the content.
    outputs = torch.tensor([[-40.0], [np.log(8 / 92)], [0.0], [40.0]])
    expected = scale.targets(np.array([0.0, 8, 50, 100]))
    np.testing.assert_allclose(scale(outputs)[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize(("y", "start"), [([0, 0, 0, 0, 5], 1), ([0, 0, 0], 100), ([7, 7], 7)])
def test_a_start_is_found_for_contents_that_hardly_vary(y, start):
    scale = _FoldedLogarithm(np.array(y, float), 100.0)
    assert scale.start == start and np.isfinite(scale.targets(np.array(y))).all()


def test_a_clone_with_the_same_seed_predicts_the_same(X, total, sites):
    model = small(recipe=replace(QUICK, max_epochs=2)).fit(X, total, sites)
    state = torch.get_rng_state()
    copy = clone(model)
    assert not hasattr(copy, "networks_")
    expected, again = (m.predict(X[:20], return_std=True) for m in (model, copy.fit(X, total, sites)))
    np.testing.assert_array_equal(again, expected)
    assert torch.equal(torch.get_rng_state(), state)
    other = clone(model).set_params(random_state=1).fit(X, total, sites)
    assert not np.array_equal(other.predict(X[:20]), expected[0])


def test_how_strong_the_signal_is_does_not_count(X, total, sites):
    once = small(n_members=1, recipe=replace(QUICK, max_epochs=2))
    expected = clone(once).fit(X, total, sites).predict(X[:20])
    np.testing.assert_allclose(clone(once).fit(64 * X, total, sites).predict(64 * X[:20]), expected, rtol=1e-5)


def test_a_fit_that_was_stopped_resumes_and_ends_the_same(X, total, sites, tmp_path, monkeypatch):
    monkeypatch.setattr("spectrakit.training.pretraining.SECONDS_PER_CHECKPOINT", 0)
    model, folder = small(recipe=replace(QUICK, max_epochs=3)), tmp_path / "kept"
    expected = clone(model).fit(X, total, sites).predict(X[:20], return_std=True)

    def stop(done, total):
        assert total == 6
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        clone(model).fit(X, total, sites, progress=stop, checkpoint=folder)
    (kept,) = folder.iterdir()
    assert sorted(path.name for path in kept.glob("member-*")) == ["member-0.zip", "member-1"]
    epochs = []
    others = clone(model).fit(X, total + 1, sites, progress=lambda *done: epochs.append(done), checkpoint=folder)
    assert len(epochs) == 6 and not np.array_equal(others.predict(X[:20]), expected[0])
    epochs.clear()
    resumed = clone(model).fit(X, total, sites, progress=lambda *done: epochs.append(done), checkpoint=folder)
    assert epochs == [(6, 6)] and not folder.exists()
    np.testing.assert_array_equal(resumed.predict(X[:20], return_std=True), expected)
    assert len(resumed.history_) == 6


def test_organic_carbon_is_never_above_the_total(X, total, organic, sites):
    y = np.column_stack([total, organic])
    y[::3, 1], y[1::7] = np.nan, np.nan
    model = OrganicCarbonNetwork(small(n_members=1)).fit(X[:400], y[:400], sites[:400])
    predicted = model.predict(X[400:])
    assert r2(np.log(organic[400:] + 1), np.log(predicted[:, 1] + 1)) > 0.9
    for rows in (predicted, model.predict(strange(X))):
        assert (rows[:, 1] <= rows[:, 0]).all() and (rows > 0).all() and rows.shape[1] == 2
    assert model.share_.limit == 1 and model.total_.limit == 580
    np.testing.assert_array_equal(predicted[:, 0], model.total_.predict(X[400:]))
    np.testing.assert_array_equal(predicted[:, 1], predicted[:, 0] * model.share_.predict(X[400:]))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ((10, 11), r"row 4 \(from 0\): organic carbon of 11 is above the total of 10; correct"),
        ((600, 11), r"row 4 \(from 0\): a content of 600 is above the limit of 580"),
        ((5,), "y has 1 columns: give two, total and organic carbon"),
    ],
)
def test_organic_carbon_above_the_total_names_the_row(X, row, message):
    y = np.zeros((9, len(row)))
    y[4] = row
    with pytest.raises(ValueError, match=message):
        OrganicCarbonNetwork(small()).fit(X[:9], y)


@pytest.mark.parametrize(
    ("row", "content", "words"), [(7, -0.5, "-0.5 is negative"), (3, 581, "581 is above the limit of 580")]
)
def test_contents_out_of_bounds_name_the_row(X, total, row, content, words):
    y = total[:20].copy()
    y[row] = content
    with pytest.raises(ValueError, match=rf"row {row} \(from 0\): a content of {words}; correct it or leave"):
        small().fit(X[:20], y)


def test_contents_not_measured_are_none_out_of_bounds():
    np.testing.assert_array_equal(checked_contents(np.array([0.0, np.nan, 580]), 580), [0, np.nan, 580])


def test_bad_input_is_refused(X, total, sites, fitted):
    with pytest.raises(ValueError, match="n_members is at least 1, not 0"):
        small(n_members=0).fit(X, total)
    with pytest.raises(ValueError, match="groups: all rows are of one group"):
        small().fit(X, total, np.zeros(500))
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        small().fit(X, total, sites[:-1])
    with pytest.raises(ValueError, match=r"n_channels is a multiple of pool \(3\)"):
        small().fit(X[:, :-1], total)
    with pytest.raises(ValueError, match="X has 59 features, but ContentNetwork is expecting 60"):
        fitted.predict(X[:, :-1])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        fitted.predict(np.full((1, 60), np.nan))


def test_how_often_a_limit_acts():
    counts = limit_counts([-1, 0, 5.8, 6, 100, 574.1, 574.2, 580, 581, 900], 580)
    assert counts.to_dict() == {"n_samples": 10, "below_zero": 1, "above_limit": 2, "near_zero": 2, "near_limit": 2}

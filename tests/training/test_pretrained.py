import numpy as np
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold

from spectrakit.models.resnet import network_features
from spectrakit.training.library_features import library_input
from spectrakit.training.pretrained import FeatureRidge, PretrainedRegressor, library_network, with_axis


def test_it_is_ridge_regression_on_the_features_of_the_network(three_laboratories):
    X, y = three_laboratories.spectra, np.log(three_laboratories.properties["oc_g_kg"].to_numpy())
    model = PretrainedRegressor(axis=three_laboratories.axis).fit(X[:80], y[:80])
    network, kept = library_network()
    features = network_features(network, library_input(network, X, three_laboratories.axis)).astype(float)
    scaled = features - features[:80].mean(0)
    scaled /= np.sqrt((scaled[:80] ** 2).sum(1).mean())
    by_hand = Ridge(kept["penalty"]).fit(scaled[:80], y[:80]).predict(scaled[80:])
    np.testing.assert_allclose(model.predict(X[80:]), by_hand, rtol=1e-6)
    assert np.isnan(model.inner_rmse_) and model.log_offset_ is None


def test_contents_keep_their_limits_and_their_spread_grows_with_them(three_laboratories):
    X, y = three_laboratories.spectra, three_laboratories.properties["oc_g_kg"].to_numpy()
    model = PretrainedRegressor((0.0, 580.0), three_laboratories.axis).fit(X[:80], y[:80], groups=np.arange(80) // 2)
    contents, spread = model.predict(X[80:], return_std=True)
    assert contents.min() >= 0 and contents.max() <= 580
    assert model.log_offset_ == np.median(y[:80]) / 10
    np.testing.assert_allclose(spread, model.inner_rmse_ * (contents + model.log_offset_))
    plain = PretrainedRegressor(axis=three_laboratories.axis).fit(X[:80], np.log(y[:80] + model.log_offset_))
    expected = np.clip(np.exp(plain.predict(X[80:])) - model.log_offset_, 0, 580)
    np.testing.assert_allclose(contents, expected, rtol=1e-9)
    features, scaled, unseen = model._features(X[:80]), np.log(y[:80] + model.log_offset_), np.empty(80)
    for training, left_out in GroupKFold(5).split(features, groups=np.arange(80) // 2):
        ridge = FeatureRidge(library_network()[1]["penalty"]).fit(features[training], scaled[training])
        unseen[left_out] = ridge.predict(features[left_out])
    assert model.inner_rmse_ == pytest.approx(np.sqrt(np.mean((unseen - scaled) ** 2)))


def test_the_axis_is_set_where_a_model_has_it():
    axis = np.arange(5.0)
    assert with_axis(PretrainedRegressor(), axis, "snv+derivative").get_params() == {
        "axis": axis,
        "differentiated": True,
        "limits": (-np.inf, np.inf),
    }
    assert not with_axis(PretrainedRegressor(), axis, "snv+epo").differentiated
    assert "axis" not in with_axis(DummyRegressor(), axis, "snv").get_params()


def test_factors_between_the_numbers_of_laboratories_that_were_measured():
    unseen = library_network()[1]["unseen"]
    numbers, factors = unseen["laboratories"], unseen["factor"]
    assert [PretrainedRegressor.unseen_factor(number) for number in numbers] == factors
    assert PretrainedRegressor.unseen_factor(4) == pytest.approx((factors[2] + factors[3]) / 2)
    assert PretrainedRegressor.unseen_factor(50) == factors[-1]


def test_a_range_with_too_few_channels_is_refused(three_laboratories):
    few = three_laboratories.window(700, 1400)
    with pytest.raises(ValueError, match="80 are needed"):
        PretrainedRegressor(axis=few.axis).fit(few.spectra, few.properties["oc_g_kg"])

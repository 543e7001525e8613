"""How does a network that has learned from many soils learn from a few others?"""

from dataclasses import replace

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

from spectrakit.models.resnet import ResNetConfig, SpectralResNet, freeze_features
from spectrakit.preprocess import network_input
from spectrakit.training.pretraining import Recipe, fit_network, predict

FINE_TUNING = Recipe("fine tuning", learning_rate=0.001, batch_size=32, max_epochs=150, patience=40)
"""How a network is fitted to some hundred samples; the learning rate is the paper's."""


class NetworkRegressor(RegressorMixin, BaseEstimator):
    """The 1D-ResNet on measured reflectance: fine-tuned where it is given pretrained, else trained from scratch.

    The training rows are dealt into `n_folds`. One network is fitted on all folds but one and stopped early by that
    one; a prediction is the mean of theirs. What each network makes of the fold that it was not fitted on tells, on
    the training rows alone, how far predictions have to be drawn towards the mean of the training targets.

    pretrained : SpectralResNet whose convolutions are taken over and frozen, batch normalisation too; None for a
        network of the same shape with weights of its own, all of them trained
    hidden : units of the new dense layers; wider than in pretraining, where they had to tell a few numbers only
    transform : what the network sees of reflectance, see `preprocess.network_input`
    random_state : an int is the seed of folds, weights and batches

    After fit: `networks_` (list), `shrinkage_` (0 to 1), `target_mean_` and `target_sd_` in the unit of y.
    """

    def __init__(
        self,
        pretrained=None,
        hidden=(256, 64),
        transform="snv",
        recipe=FINE_TUNING,
        n_folds=5,
        random_state=None,
    ):
        self.pretrained = pretrained
        self.hidden = hidden
        self.transform = transform
        self.recipe = recipe
        self.n_folds = n_folds
        self.random_state = random_state

    def fit(self, X, y):
        """Fit on reflectance X (n, 2100) and targets y (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True)
        seed = int(self.random_state or 0)
        self.target_mean_, self.target_sd_ = float(np.mean(y)), float(np.std(y)) or 1.0
        scaled = (y - self.target_mean_) / self.target_sd_
        inputs = network_input(X, self.transform)
        self.networks_, unseen = [], np.zeros(len(y))
        folds = KFold(min(self.n_folds, len(y)), shuffle=True, random_state=seed)
        for place, (training, held_out) in enumerate(folds.split(inputs)):
            network = self._start(seed * self.n_folds + place)
            watched = inputs[held_out], scaled[held_out]
            fit_network(network, inputs[training], scaled[training], self.recipe, seed, validation=watched)
            unseen[held_out] = predict(network, inputs[held_out])[:, 0]
            self.networks_.append(network)
        self.shrinkage_ = float(np.clip(unseen @ scaled / (unseen @ unseen + 1e-12), 0, 1))
        return self

    def predict(self, X):
        """Targets (n,), in the unit of y."""
        check_is_fitted(self)
        inputs = network_input(validate_data(self, X, reset=False), self.transform)
        scaled = np.mean([predict(network, inputs)[:, 0] for network in self.networks_], axis=0)
        return self.target_mean_ + self.target_sd_ * self.shrinkage_ * scaled

    def _start(self, seed):
        config = self.pretrained.config if self.pretrained is not None else ResNetConfig()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = SpectralResNet(replace(config, hidden=self.hidden, n_outputs=1, relu_output=False))
        if self.pretrained is None:
            return network
        network.features.load_state_dict(self.pretrained.features.state_dict())
        return freeze_features(network)

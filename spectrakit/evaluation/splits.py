"""Which rows train a model and which test it, repeat by repeat and fold by fold?"""

from dataclasses import dataclass

import numpy as np
from sklearn.model_selection import RepeatedKFold


@dataclass(frozen=True)
class Splits:
    """Every split of a repeated cross-validation at once, so that all its models can be trained together.

    train : (n_splits, n_rows) bool, True where the row trains the split's model
    repeat, fold : (n_splits,) int, counted from 0; the folds of a repeat test every row exactly once
    """

    train: np.ndarray
    repeat: np.ndarray
    fold: np.ndarray

    @property
    def test(self):
        """(n_splits, n_rows) bool, True where the row tests the split's model."""
        return ~self.train

    def __len__(self):
        return len(self.train)

    def out_of_fold(self, predictions):
        """Pool the predictions of a repeat's folds, each row taken from the model that had not seen it.

        predictions : (n_splits, n_rows), row i from the model trained on `train[i]`
        Returns (n_repeats, n_rows). Raises ValueError when the shape is not that of `train`.
        """
        predictions = np.asarray(predictions)
        if predictions.shape != self.train.shape:
            raise ValueError(f"predictions are {predictions.shape}, the splits need {self.train.shape}")
        split, row = np.nonzero(self.test)
        pooled = np.full((self.repeat.max() + 1, self.train.shape[1]), np.nan)
        pooled[self.repeat[split], row] = predictions[split, row]
        return pooled


def grouped_folds(groups, n_folds=10, n_repeats=10, random_state=0):
    """Repeated cross-validation in which all rows of a group (the replicates of a sample) fall on one side.

    groups : (n_rows,) a label for each row
    Returns Splits with n_folds * n_repeats splits; the first folds of a repeat take one group more where the
    number of groups is not a multiple of n_folds. Raises ValueError for fewer groups than folds.
    """
    labels, group_of_row = np.unique(np.asarray(groups), return_inverse=True)
    folds = RepeatedKFold(n_splits=n_folds, n_repeats=n_repeats, random_state=random_state)
    train = np.zeros((n_folds * n_repeats, len(labels)), dtype=bool)
    for mask, (train_groups, _) in zip(train, folds.split(labels), strict=True):
        mask[train_groups] = True
    repeat, fold = np.divmod(np.arange(n_folds * n_repeats), n_folds)
    return Splits(train[:, group_of_row], repeat, fold)


def repeated_folds(n_rows, n_folds=10, n_repeats=10, random_state=0):
    """Repeated cross-validation of rows that are one sample each.

    Twelve samples in ten folds make two folds of two samples and eight of one.
    Returns Splits, as `grouped_folds` with every row its own group.
    Source: libs paper, 'CNN regression prediction'.
    """
    return grouped_folds(np.arange(n_rows), n_folds, n_repeats, random_state)


def leaky_folds(groups, n_folds=10, n_repeats=10, random_state=0):
    """The mistake, for teaching: rows split without regard to their group, so replicates leak into training.

    Same arguments and result as `grouped_folds`; never use it to judge a model.
    """
    return repeated_folds(len(groups), n_folds, n_repeats, random_state)


def random_rounds(n_samples, n_rounds=10, test_share=0.25, train_size=None, random_state=0, groups=None):
    """Random splits into a training and a test side, one a round: 130 samples give 98 and 32, as published.

    train_size : the most samples that a training side keeps, picked at random; None for all
    groups : (n_samples,) labels; samples of one label (replicates) fall on one side, and the share is one of labels
    Returns a list of (training, test) positions, each ascending. Fewer rounds are the first of more, and a smaller
    training side is a part of a larger one. Raises ValueError for no rounds, a share outside 0 to 1, an empty side.
    Source: gejiu paper, section 2.2.2.
    """
    if n_rounds < 1:
        raise ValueError(f"{n_rounds} rounds: give at least 1")
    if not 0 < test_share < 1:
        raise ValueError(f"a test share of {test_share}: give one between 0 and 1")
    labels, group = np.unique(np.arange(n_samples) if groups is None else np.asarray(groups), return_inverse=True)
    if len(group) != n_samples:
        raise ValueError(f"{len(group)} groups for {n_samples} samples")
    n_test = int(test_share * len(labels))
    if n_test < 1:
        words = "samples" if groups is None else "groups of samples"
        raise ValueError(f"{len(labels)} {words} are too few: a share of {test_share:g} leaves none to test")
    if train_size is not None and train_size < 1:
        raise ValueError(f"{train_size} samples to train on: give at least 1")
    random = np.random.default_rng(random_state)
    rounds = []
    for _ in range(n_rounds):
        test = np.isin(group, random.permutation(len(labels))[:n_test])
        training = random.permutation(np.flatnonzero(~test))[:train_size]
        rounds.append((np.sort(training), np.flatnonzero(test)))
    return rounds


def balanced_rows(rows, labels, most, random_state=0):
    """At most `most` of some rows, ascending: by chance within a label, and labels in turn.

    rows : (n,) positions; labels : (n,) of these rows
    The largest label gives way to the smaller ones, each of which has as many as any other until it has no more.
    """
    order = np.random.default_rng(random_state).permutation(len(rows))
    _, codes = np.unique(np.asarray(labels)[order], return_inverse=True)
    by_label = np.argsort(codes, kind="stable")
    first = np.searchsorted(codes[by_label], codes[by_label])
    turn = np.empty(len(order), int)
    turn[by_label] = np.arange(len(order)) - first
    return np.sort(np.asarray(rows)[order[np.argsort(turn, kind="stable")[:most]]])

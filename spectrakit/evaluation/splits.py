"""Splits of rows into training and test sides: repeated folds, random rounds, balanced subsets."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.model_selection import RepeatedKFold

from spectrakit.spectra import count_of


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
        """Pool the predictions of a repeat's folds, each row predicted by the model that was not trained on it.

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
    train = np.array([np.isin(group_of_row, chosen) for chosen, _ in folds.split(labels)])
    return Splits(train, *np.divmod(np.arange(n_folds * n_repeats), n_folds))


def repeated_folds(n_rows, n_folds=10, n_repeats=10, random_state=0):
    """Repeated cross-validation of rows that are one sample each.

    Twelve samples in ten folds make two folds of two samples and eight of one.
    Returns Splits, as `grouped_folds` with every row its own group.
    Source: libs paper, 'CNN regression prediction'.

    >>> splits = repeated_folds(12, n_folds=10, n_repeats=1)
    >>> print(splits.test.sum(axis=1))
    [2 2 1 1 1 1 1 1 1 1]
    """
    return grouped_folds(np.arange(n_rows), n_folds, n_repeats, random_state)


def leaky_folds(groups, n_folds=10, n_repeats=10, random_state=0):
    """Folds of rows without regard to their group, so that replicates leak into training: a mistake, for teaching.

    Arguments and result as for `grouped_folds`.
    """
    return repeated_folds(len(groups), n_folds, n_repeats, random_state)


def random_rounds(n_samples, n_rounds=10, test_share=0.25, train_size=None, random_state=0, groups=None):
    """Random splits into a training and a test side, one a round: 130 samples give 98 and 32, as published.

    train_size : training samples to keep at most, picked at random; None for all
    groups : (n_samples,) labels; samples of one label (replicates) fall on one side, and test_share counts labels
    Returns a list of (training, test) positions, each ascending. Fewer rounds are the first of more, and a smaller
    training side is a subset of a larger one. Raises ValueError for no rounds, a share outside 0 to 1, an empty side.
    Source: gejiu paper, section 2.2.2.

    >>> train, test = random_rounds(130, n_rounds=1)[0]
    >>> print(len(train), len(test))
    98 32
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
        divided = count_of(len(labels), "sample" if groups is None else "sample group")
        raise ValueError(f"too few to divide: a share of {test_share:g} of {divided} leaves none to test; give more")
    if train_size is not None and train_size < 1:
        raise ValueError(f"{train_size} samples to train on: give at least 1")
    random = np.random.default_rng(random_state)
    rounds = []
    for _ in range(n_rounds):
        test = np.isin(group, random.permutation(len(labels))[:n_test])
        training = random.permutation(np.flatnonzero(~test))[:train_size]
        rounds.append((np.sort(training), np.flatnonzero(test)))
    return rounds


def balanced_rows(rows, labels, max_rows, random_state=0):
    """At most `max_rows` of some rows, ascending, drawn at random from each label in turn.

    rows : (n,) positions; labels : (n,) of these rows
    Small labels are kept whole; the larger ones are cut to equal numbers.
    """
    order = np.random.default_rng(random_state).permutation(len(rows))
    shuffled = np.asarray(labels)[order]
    turn = pd.Series(shuffled).groupby(shuffled).cumcount()
    return np.sort(np.asarray(rows)[order[np.argsort(turn, kind="stable")[:max_rows]]])

import numpy as np
import pytest

from spectrakit.evaluation.splits import balanced_rows, grouped_folds, leaky_folds, random_rounds, repeated_folds

REPLICATES = np.repeat(["a", "b", "c", "d"], 3)


def rows_tested(splits):
    return [np.flatnonzero(row).tolist() for row in splits.test]


def test_ten_folds_of_twelve_samples_are_pinned():
    splits = repeated_folds(12, random_state=0)
    assert splits.train.shape == (100, 12) and len(splits) == 100
    assert rows_tested(splits)[:10] == [[6, 11], [4, 10], [2], [8], [1], [7], [9], [3], [0], [5]]
    assert rows_tested(splits)[10:14] == [[2, 5], [3, 4], [9], [0]]
    assert splits.repeat[[0, 9, 10, 99]].tolist() == [0, 0, 1, 9]
    assert splits.fold[[0, 9, 10, 99]].tolist() == [0, 9, 0, 9]


def test_every_row_is_tested_once_a_repeat_with_its_group_in_any_order_and_repeats_differ():
    shuffled = np.random.default_rng(0).permutation(REPLICATES)
    splits = grouped_folds(shuffled, n_folds=3, n_repeats=5)
    for repeat in range(5):
        np.testing.assert_array_equal(splits.test[splits.repeat == repeat].sum(axis=0), 1)
    assert not any(set(shuffled[train]) & set(shuffled[~train]) for train in splits.train)
    repeated = repeated_folds(12, random_state=3)
    sizes = repeated.test.sum(axis=1).reshape(10, 10)
    np.testing.assert_array_equal(sizes, np.tile([2, 2, 1, 1, 1, 1, 1, 1, 1, 1], (10, 1)))
    assert len(np.unique(repeated.train.reshape(10, -1), axis=0)) == 10
    np.testing.assert_array_equal(repeated.train, repeated_folds(12, random_state=3).train)
    assert (repeated.train != repeated_folds(12, random_state=4).train).any()


def test_replicates_stay_together_unless_leaky():
    grouped = grouped_folds(REPLICATES, n_folds=2, n_repeats=2, random_state=1)
    assert rows_tested(grouped) == [
        [6, 7, 8, 9, 10, 11],
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 6, 7, 8],
        [3, 4, 5, 9, 10, 11],
    ]
    leaky = leaky_folds(REPLICATES, n_folds=2, n_repeats=1, random_state=1)
    assert rows_tested(leaky) == [[1, 2, 3, 4, 6, 10], [0, 5, 7, 8, 9, 11]]
    straddling = [set(REPLICATES[train]) & set(REPLICATES[~train]) for train in leaky.train]
    assert straddling == [{"a", "b", "c", "d"}] * 2


def test_out_of_fold_takes_each_row_from_the_model_that_did_not_see_it():
    splits = repeated_folds(5, n_folds=2, n_repeats=2)
    pooled = splits.out_of_fold(np.tile(np.arange(4.0)[:, None], (1, 5)))
    for repeat, row in np.ndindex(2, 5):
        assert splits.test[int(pooled[repeat, row]), row] and splits.repeat[int(pooled[repeat, row])] == repeat


def test_wrong_sizes_are_named():
    with pytest.raises(ValueError, match="n_splits=10 greater than the number of samples: n_samples=9"):
        repeated_folds(9)
    with pytest.raises(ValueError, match=r"predictions are \(3,\)"):
        repeated_folds(12).out_of_fold(np.zeros(3))


@pytest.mark.parametrize(
    ("n_samples", "options", "sizes"),
    [
        (130, {}, [(98, 32)] * 10),
        (19_036, {"n_rounds": 1}, [(14_277, 4_759)]),
        (460, {"n_rounds": 2, "train_size": 98}, [(98, 115)] * 2),
    ],
)
def test_rounds_have_the_published_sizes(n_samples, options, sizes):
    assert [(len(training), len(test)) for training, test in random_rounds(n_samples, **options)] == sizes


def test_rounds_are_pinned_and_a_prefix_of_more():
    rounds = random_rounds(8, n_rounds=3, random_state=0)
    assert [test.tolist() for _, test in rounds] == [[2, 4], [2, 3], [3, 7]]
    for (training, test), (again, _) in zip(rounds, random_rounds(8, n_rounds=9), strict=False):
        assert sorted([*training, *test]) == list(range(8))
        np.testing.assert_array_equal(training, again)


def test_a_smaller_training_side_is_part_of_a_larger_one():
    for (small, test), (large, same) in zip(random_rounds(40, train_size=10), random_rounds(40), strict=True):
        assert len(small) == 10 and set(small) < set(large)
        np.testing.assert_array_equal(test, same)


def test_rounds_keep_replicates_together():
    for training, test in random_rounds(12, groups=REPLICATES, random_state=5):
        assert len(test) == 3 and len(training) == 9
        assert not set(REPLICATES[training]) & set(REPLICATES[test])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_rounds": 0}, "0 rounds: give at least 1"),
        ({"test_share": 1.0}, "a test share of 1.0"),
        ({"train_size": 0}, "0 samples to train on: give at least 1"),
        ({"groups": ["a"] * 12}, "too few to divide: a share of 0.25 of 1 sample group leaves none to test"),
        ({"groups": ["a"]}, "1 groups for 12 samples"),
    ],
)
def test_impossible_rounds_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        random_rounds(12, **arguments)


def test_balanced_rows_let_the_largest_label_give_way():
    labels = np.array(["a"] * 90 + ["b"] * 8 + ["c"] * 2)
    rows = np.arange(100, 200)
    kept = balanced_rows(rows, labels, 20, 0)
    counts = dict(zip(*np.unique(labels[kept - 100], return_counts=True), strict=True))
    assert counts == {"a": 10, "b": 8, "c": 2} and (np.diff(kept) > 0).all()
    np.testing.assert_array_equal(balanced_rows(rows, labels, 200), rows)
    assert set(balanced_rows(rows, labels, 10, 0)) <= set(kept)
    assert set(balanced_rows(rows, labels, 20, 1)) != set(kept)

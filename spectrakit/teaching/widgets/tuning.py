"""Explorer of fine-tuning: R2 by the layers that are tuned and the number of soils."""

from itertools import product

import numpy as np

from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series

DEPTH_TEXTS = {
    "none": "nothing: a straight line from predicted pH to ln Pb",
    "dense": "the dense layers, as in the paper",
    "dense and last convolution": "the dense layers and the last convolution",
    "all": "everything",
}


def freeze_or_tune(depths, references=None):
    """Explorer of recorded runs: R2 of the test soils by the layers that are tuned and the number of soils.

    depths : DataFrame with depth (keys of DEPTH_TEXTS), n_train, round, r2, as the study records it
    references : {name: mean R2 over the same rounds} of models to compare with, drawn as level lines
    Raises ValueError unless each combination of depth, number of soils and round is there once.
    """
    texts = {depth: text for depth, text in DEPTH_TEXTS.items() if depth in set(depths["depth"])}
    sizes, rounds = (sorted(int(value) for value in depths[name].unique()) for name in ("n_train", "round"))
    r2 = _cube(depths, list(texts), sizes, rounds)
    mean = r2.mean(axis=2)
    # One point of the lower panel belongs to the chosen number of soils; the others are gaps.
    chosen = np.where(np.eye(len(sizes), dtype=bool), mean[:, None, :], np.nan)
    level = [Series(name, np.full((1, 1, len(sizes)), value), "line") for name, value in (references or {}).items()]
    by_round = (
        Series("R² of the round", r2, "points"),
        Series("mean of the rounds", np.repeat(mean[..., None], len(rounds), axis=2), "line"),
    )
    by_size = (Series("your layers", mean[:, None, :], "line"), Series("your choice", chosen, "points"), *level)
    panels = [
        Panel("Round by round", np.array(rounds) + 1.0, "Round", "R² of the test soils", by_round),
        Panel("Mean over the rounds", np.array(sizes, float), "Soils to tune on", "R² of the test soils", by_size),
    ]
    controls = (Control("What is tuned", tuple(texts), text=tuple(texts.values())), Control("Soils to tune on", sizes))
    caption = (
        "Every combination was run beforehand; the page looks it up. All networks of a round start from the same pH "
        "network and are judged on the same test soils, and fewer soils are a part of more."
    )
    start = [list(texts).index("dense") if "dense" in texts else 0, len(sizes) - 1]
    question = "How many soils do you need before it pays to tune more?"
    answers = [
        [_answer(r2[i, j], mean[:, j], list(texts.values())) for j in range(len(sizes))] for i in range(len(texts))
    ]
    return Explorer(controls, panels, caption, start, question, answers)


def _answer(rounds, means, names):
    """R2 of a choice over its rounds (n_rounds,), and which choice is best with as many soils; means : (n_depths,)."""
    best = int(np.argmax(means))
    low, middle, high = (f"{value:.2f}".replace("-", "−") for value in (rounds.min(), rounds.mean(), rounds.max()))
    return (
        f"Your choice reaches an R² of {middle} on average ({low} to {high}); best with as many soils is "
        f"'{names[best].split(':')[0]}' with {means[best]:.2f}."
    )


def _cube(depths, names, sizes, rounds):
    """R2 as (n_depths, n_sizes, n_rounds)."""
    shape = (len(names), len(sizes), len(rounds))
    table = depths.set_index(["depth", "n_train", "round"])["r2"]
    if not table.index.is_unique or len(table) != np.prod(shape):
        raise ValueError("each combination of depth, number of soils and round has to be there once")
    return table.loc[list(product(names, sizes, rounds))].to_numpy().reshape(shape)

"""What a workflow returns."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True)
class Outcome:
    """Scores, how they are read, and what was done to get there.

    records : DataFrame of scores; tables : {title: DataFrame of text}, the scores to be read
    lines : how the tables are read, and what they are based on
    notes : on what was left out, set or not tried; counts : rows of what was written, by kind
    """

    records: pd.DataFrame
    tables: dict
    lines: list
    notes: list
    counts: dict = field(default_factory=dict)

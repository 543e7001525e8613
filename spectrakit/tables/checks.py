"""Says what a table of spectra holds and what is wrong with it, in one pass over blocks of its rows."""

from collections import Counter

import numpy as np
import pandas as pd

from spectrakit.spectra import laboratory_labels, provenance_line
from spectrakit.tables.reading import blocks, open_table
from spectrakit.tables.rules import (
    BLOCK_RULES,
    HEADER_RULES,
    TABLE_RULES,
    Findings,
    applied,
    name_hashes,
    sketched,
)

_ROWS = 1024  # of a block
SEVERITIES = ("error", "warning", "note")


def check_table(path, axis_unit, signal, below_detection=None):
    """What a table of any size holds and each kind of problem with its rows and columns, as a `TableReport`.

    Arguments as in `read_blocks`. What is held is a block, and the name and two hashes of each row. A sample_id that
    stands twice in a laboratory is an error but in the OSSL, which names samples itself.
    Raises TableError for a file that is no table at all: missing, broken, ragged, no channels or samples.
    """
    table = open_table(path, axis_unit, signal, below_detection=below_detection)
    report, findings = TableReport(table), Findings()
    for block in blocks(table, _ROWS):
        report.add(block)
        findings.add(block, BLOCK_RULES)
    problems = [*applied(HEADER_RULES, table), *findings.judged(), *applied(TABLE_RULES, report)]
    problems.sort(key=lambda problem: SEVERITIES.index(problem.severity))
    report.problems = table.reported(problems, report.n_samples)
    return report


class TableReport:
    """What the rows of a table hold and what is wrong with them.

    table : `Table`; axis : (n_channels,), ascending
    n_samples : number of rows; values : smallest and largest of all channels, in the unit of the file
    properties : name to number of samples measured, smallest and largest content
    sample_columns : names; laboratories : name to number of rows
    problems : list of `Problem`, errors first
    """

    def __init__(self, table):
        self.table, self.axis, self.problems = table, np.sort(table.axis), []
        self.n_samples, self.values, self.properties = 0, (np.nan, np.nan), {}
        self.sample_columns, self.laboratories = (), Counter()
        self._rows, self._contents, self._sketches = [], [], []

    def add(self, block):
        """Count the rows of a block."""
        samples = block.samples
        self.n_samples += len(samples)
        self.values = _wider(self.values, block.values)
        for name, column in block.properties.items():
            n_measured, *extremes = self.properties.get(name, (0, np.nan, np.nan))
            self.properties[name] = (n_measured + int(column.notna().sum()), *_wider(extremes, column.to_numpy()))
        self.sample_columns = tuple(name for name in samples if name not in ("sample_id", "origin", "seed"))
        laboratory = laboratory_labels(samples)
        if laboratory is not None:
            self.laboratories.update(laboratory.fillna("(not named)").astype(str))
        nothing = np.isnan(block.values).all(axis=1)
        spectra = np.where(nothing, 0, [hash(row.tobytes()) for row in block.spectra])
        kept = samples[samples.columns.intersection(["sample_id", "origin", "seed"])]
        self._rows.append(kept.assign(name=name_hashes(samples), spectrum=spectra))
        self._contents.append(block.properties)
        self._sketches.append(block.spectra[:, sketched(block.spectra.shape[1])])

    def rows(self):
        """Names, origins and seeds of all rows, a hash of what names each, and one of its spectrum, 0 for none."""
        return pd.concat(self._rows, ignore_index=True)

    def contents(self):
        """Contents of all rows, a DataFrame."""
        return pd.concat(self._contents, ignore_index=True)

    def sketches(self):
        """Some channels of all spectra, (n, k) float32."""
        return np.concatenate(self._sketches)

    @property
    def provenance(self):
        """Where the spectra come from, in one line."""
        return provenance_line(self.table.provenance(self.rows()))

    @property
    def steps(self):
        """Smallest, median and largest step of the axis, NaN for a single channel."""
        steps = np.diff(self.axis)
        return (steps.min(), np.median(steps), steps.max()) if steps.size else (np.nan,) * 3

    @property
    def errors(self):
        """The problems that make the table unusable."""
        return [problem for problem in self.problems if problem.severity == "error"]

    @property
    def warnings(self):
        """The problems that its user should know of."""
        return [problem for problem in self.problems if problem.severity == "warning"]

    @property
    def usable(self):
        """Whether `read_table`, or of a library `read_library`, would return a dataset."""
        return not self.errors


def _wider(extremes, values):
    """Smallest and largest of finite values and of those before."""
    values = np.where(np.isinf(values), np.nan, values)
    low, high = np.fmin.reduce(values, axis=None), np.fmax.reduce(values, axis=None)
    return float(np.fmin(extremes[0], low)), float(np.fmax(extremes[1], high))

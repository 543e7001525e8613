"""Says what a table of spectra holds and what is wrong with it, in one pass over blocks of its rows."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd

from spectrakit.spectra import laboratory_labels, provenance_line
from spectrakit.tables.reading import Table, blocks, open_table
from spectrakit.tables.rules import BLOCK_RULES, HEADER_RULES, NAME_RULES, TABLE_RULES, Findings, applied, sketched

_ROWS = 1024  # of a block
SEVERITIES = ("error", "warning", "note")


def check_table(path, axis_unit, signal, below_detection=None):
    """What a table of any size holds and each kind of problem with its rows and columns, as a `TableReport`.

    Arguments as in `read_blocks`. What is held is a block, and of each row all but the spectrum, of which a few
    channels and a hash. A sample_id that stands twice in a laboratory is an error but in the OSSL, which names samples
    itself.
    Raises TableError for a file that is no table at all: missing, broken, ragged, no channels or samples.
    """
    table, findings = open_table(path, axis_unit, signal, below_detection=below_detection), Findings()
    rows, values = _rows(table, findings)
    rules = [rule for rule in TABLE_RULES if not (table.is_ossl and rule in NAME_RULES)]
    problems = [*applied(HEADER_RULES, table), *findings.judged(), *applied(rules, rows)]
    problems.sort(key=lambda problem: SEVERITIES.index(problem.severity))
    return TableReport(table, rows, values, table.reported(problems, len(rows.samples)))


def _rows(table, findings):
    """All rows of a table as `Rows`, and their smallest and largest value; findings : to which problems are added."""
    parts, extremes = [], []
    for block in blocks(table, _ROWS):
        findings.add(block, BLOCK_RULES)
        extremes += [np.fmin.reduce(block.values, axis=None), np.fmax.reduce(block.values, axis=None)]
        hashes = np.where(np.isnan(block.values).all(axis=1), 0, [hash(row.tobytes()) for row in block.spectra])
        sketches = block.spectra[:, sketched(block.spectra.shape[1])]
        parts.append((block.properties, block.samples, pd.DataFrame(sketches), pd.Series(hashes)))
    values = (float(np.fmin.reduce(extremes)), float(np.fmax.reduce(extremes)))
    return Rows(*(pd.concat(part, ignore_index=True) for part in zip(*parts, strict=True))), values


@dataclass(frozen=True)
class Rows:
    """What is held of all rows of a table.

    properties, samples : as in `SpectralDataset`; spectra : a few channels; hashes : of each spectrum, 0 for none
    """

    properties: pd.DataFrame
    samples: pd.DataFrame
    spectra: pd.DataFrame
    hashes: pd.Series


@dataclass(frozen=True)
class TableReport:
    """What the rows of a table hold and what is wrong with them.

    values : smallest and largest of all channels, in the unit of the file
    problems : list of `Problem`, errors first
    """

    table: Table
    rows: Rows
    values: tuple
    problems: list

    @property
    def axis(self):
        """Channels (n_channels,), ascending."""
        return np.sort(self.table.axis)

    @property
    def n_samples(self):
        """Number of rows."""
        return len(self.rows.samples)

    @property
    def properties(self):
        """Name to number of samples measured, smallest and largest content."""
        columns = self.rows.properties.items()
        return {name: (int(column.count()), float(column.min()), float(column.max())) for name, column in columns}

    @property
    def sample_columns(self):
        """Names of what else is known of the samples."""
        return tuple(name for name in self.rows.samples if name not in ("sample_id", "origin", "seed"))

    @property
    def laboratories(self):
        """Name to number of rows."""
        labels = laboratory_labels(self.rows.samples)
        return Counter(() if labels is None else labels.fillna("(not named)").astype(str))

    @property
    def provenance(self):
        """Where the spectra come from, in one line."""
        return provenance_line(self.table.provenance(self.rows.samples))

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

"""What the columns of a plain spectral table mean, by their names and by what they hold.

A plain spectral table has one row a sample: `sample_id`; one column a property, named with its unit; one column a
channel, named by its wavelength in nm or its wavenumber in 1/cm. An empty cell is 'not measured'.
"""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from spectrakit.contents import unit_suffix

CHANNEL_NAME = re.compile(r"\d+\.?\d*([eE]\+?\d+)?")
NUMERIC_SAMPLE_COLUMNS = (
    *("replicate", "depth_cm", "depth_top_cm", "depth_bottom_cm", "latitude", "longitude", "easting_km"),
    *("northing_km", "seed"),
)
SAMPLE_COLUMNS = (
    *("sample_id", "group", "lab", "laboratory", "site", "range", "region", "area", "country", "date", "instrument"),
    *("project", "origin", *NUMERIC_SAMPLE_COLUMNS),
)
# What laboratories write below the limit of detection, and above the highest content that a method measures.
_LIMIT = r"(?P<limit>\d*[.,]?\d+(e[-+]?\d+)?)"
_BEYOND = re.compile(
    rf"(<=?|≤)\s*{_LIMIT}|<\s*[a-z]{{2,4}}|n\.?\s?[adn]\.?|n/d|[bu]\.?d\.?l?\.?|lod|loq|traces?|tr\.?|"
    r"(not|below|under)[ _-]*(detect(ed|ion|able)?|limit|lod|loq).*|(?P<above>>=?|≥)\s*\d*[.,]?\d+",
    re.IGNORECASE,
)
BELOW_DETECTION = ("half", "missing")
# Words for 'not measured' in a column of numbers, in lower case.
MISSING = ("", "nan", "na", "n/a", "null", "none")


def is_number(kind):
    """Whether an Arrow type holds numbers."""
    return pa.types.is_floating(kind) or pa.types.is_integer(kind)


def is_property(name, kind):
    """Whether a column is a property: one with a unit, or of numbers, that does not describe the sample.

    kind : Arrow type. None for a column of text without a unit, of which `n_numbers_and_words` decides
    """
    if name in SAMPLE_COLUMNS:
        return False
    return True if unit_suffix(name) or is_number(kind) else None


def n_numbers_and_words(column):
    """How many cells of an Arrow column are numbers or say beyond which limit, and how many hold other words."""
    values, wrong = as_numbers(column)
    beyond = [match for text in wrong.values() if (match := _BEYOND.fullmatch(text))]
    n_limits = sum(bool(match["limit"] or match["above"]) for match in beyond)
    return np.array([np.count_nonzero(~np.isnan(values)) + n_limits, len(wrong) - len(beyond)])


def as_numbers(column):
    """The numbers of an Arrow column (n,), NaN where there is none, and {row: text} of what is no number."""
    if is_number(column.type):
        return column.to_numpy(zero_copy_only=False), {}
    text = _text(column, MISSING)
    # One cast for all cells; cell by cell only where that fails.
    try:
        values = text.cast(pa.float64()).to_numpy(zero_copy_only=False)
    except pa.ArrowInvalid:
        values = pd.to_numeric(text.to_pandas(), errors="coerce").to_numpy(dtype=np.float64)
    wrong = np.flatnonzero(np.isnan(values) & text.is_valid().to_numpy(zero_copy_only=False))
    return values, {int(row): text[int(row)].as_py() for row in wrong}


def content_below_detection(text, how):
    """The content that a cell such as '<0.5' or 'n.d.' stands for; None where it is no such cell.

    how : 'half' of the limit of detection, NaN where the cell does not give it; 'missing': NaN for each. What is above
        the highest measurable content, such as '>30', is NaN
    """
    match = _BEYOND.fullmatch(text)
    if match is None:
        return None
    return float(match["limit"].replace(",", ".")) / 2 if how == "half" and match["limit"] else np.nan


def as_sample_column(name, column, missing=("",)):
    """An Arrow column that describes the samples, as a Series of numbers or text; missing : in lower case."""
    if name in NUMERIC_SAMPLE_COLUMNS and is_number(column.type):
        return column.to_pandas()
    return _text(column, missing).to_pandas().astype("str")


def with_numbers(samples):
    """A table of samples with numbers in those of `NUMERIC_SAMPLE_COLUMNS` that hold nothing else.

    A depth may also be given as '0-20', which stays text.
    """
    for name in samples.columns.intersection(NUMERIC_SAMPLE_COLUMNS):
        numbers = pd.to_numeric(samples[name], errors="coerce")
        if (numbers.notna() == samples[name].notna()).all():
            samples = samples.assign(**{name: numbers})
    return samples


def _text(column, missing):
    """Trimmed text of an Arrow column, missing where it is one of some words in lower case."""
    text = pc.utf8_trim_whitespace(column.cast(pa.string()))
    return pc.if_else(pc.is_in(pc.utf8_lower(text), pa.array(missing)), None, text)

"""Files in and out: plain spectral tables, the layouts of LUCAS and Gejiu, and every check of user input."""

from spectrakit.tables.checks import UNITS, Problem, split_unit
from spectrakit.tables.lucas import read_gejiu, read_lucas
from spectrakit.tables.plain import (
    ENDINGS,
    SAMPLE_COLUMNS,
    SIGNALS,
    PropertySummary,
    TableError,
    TableReport,
    check_table,
    read_table,
    write_table,
    written_whole,
)

__all__ = [
    "ENDINGS",
    "SAMPLE_COLUMNS",
    "SIGNALS",
    "UNITS",
    "Problem",
    "PropertySummary",
    "TableError",
    "TableReport",
    "check_table",
    "read_gejiu",
    "read_lucas",
    "read_table",
    "split_unit",
    "write_table",
    "written_whole",
]

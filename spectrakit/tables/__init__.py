"""Files in and out: plain tables, libraries in parts, OPUS, the layouts of OSSL, LUCAS and Gejiu; all their checks."""

from spectrakit.tables.checks import UNITS, Problem, TableError, split_unit
from spectrakit.tables.library_checks import check_library
from spectrakit.tables.lucas import read_gejiu, read_lucas
from spectrakit.tables.opus import read_opus
from spectrakit.tables.partitions import (
    BLOCK_ROWS,
    LibraryIndex,
    library_index,
    read_blocks,
    read_library,
    write_partitions,
)
from spectrakit.tables.plain import (
    ENDINGS,
    SAMPLE_COLUMNS,
    SIGNALS,
    PropertySummary,
    TableReport,
    check_table,
    read_table,
    write_table,
    written_whole,
)

__all__ = [
    "BLOCK_ROWS",
    "ENDINGS",
    "SAMPLE_COLUMNS",
    "SIGNALS",
    "UNITS",
    "LibraryIndex",
    "Problem",
    "PropertySummary",
    "TableError",
    "TableReport",
    "check_library",
    "check_table",
    "library_index",
    "read_blocks",
    "read_gejiu",
    "read_library",
    "read_lucas",
    "read_opus",
    "read_table",
    "split_unit",
    "write_partitions",
    "write_table",
    "written_whole",
]

"""Files in and out: plain tables, libraries of any size, OPUS, the layouts of OSSL, LUCAS and Gejiu; their checks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "checks": ["TableError"],
        "library_checks": ["check_library"],
        "lucas": ["read_gejiu", "read_lucas"],
        "opus": ["read_opus"],
        "partitions": ["BLOCK_ROWS", "library_index", "read_blocks", "read_library", "write_partitions"],
        "plain": ["ENDINGS", "check_table", "read_table", "write_table"],
    },
)

"""Files in and out: plain tables, libraries of any size, files of instruments, layouts of OSSL and LUCAS; checks."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "cells": ["ENDINGS", "spectra_files"],
        "checks": ["check_table"],
        "lucas": ["read_gejiu", "read_lucas"],
        "instruments": ["convert_files"],
        "reading": ["BLOCK_ROWS", "library_index", "read_blocks", "read_library", "read_table"],
        "rules": ["TableError"],
        "writing": ["write_partitions", "write_table"],
    },
)

"""Long runs: kept parts, tasks in this process or on a Dask cluster, and records with provenance."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "keys": ["result_key"],
        "leftovers": ["kept_runs", "remove_run"],
        "parts": ["KeptParts", "Run"],
        "records": ["current_commit", "mean_of", "numbers_of", "record_of", "share_of", "table_columns"],
        "tasks": ["task_runner"],
    },
)

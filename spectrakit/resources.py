"""Where the kit's own data files lie, in a checkout and in an installed package."""

from pathlib import Path

_PACKAGED = Path(__file__).parent / "_data"
_CHECKOUT = Path(__file__).parents[1] / "data"


def data_path(*parts):
    """Path of a file of the kit's `data/` folder, for example `data_path("atomic", "lines.csv")`."""
    root = _PACKAGED if _PACKAGED.exists() else _CHECKOUT
    return root.joinpath(*parts)

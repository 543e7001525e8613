import numpy as np
import pytest

from spectrakit.tables import read_table


@pytest.fixture(scope="session")
def measured(shared):
    """Absorbance of three measured laboratories on a common axis, every 2 1/cm, and the laboratory of each row."""
    names, axis = ("h138", "nrw115", "o32"), np.arange(760, 3796, 2.0)
    paths = [shared / "real" / "mir" / f"{name}.csv.gz" for name in names]
    spectra = [read_table(path, "cm-1", "percent-reflectance").resample(axis).spectra.astype(float) for path in paths]
    return -np.log10(np.maximum(np.concatenate(spectra), 1e-4)), np.repeat(names, [len(part) for part in spectra])

import numpy as np
import pandas as pd
import pytest

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import TableError


@pytest.fixture
def write(tmp_path):
    """Write text or bytes as a file, by default table.csv, and return its path."""

    def write(content, name="table.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def refused():
    """Check that a call raises TableError in one line that begins with a path and goes on as expected."""

    def refused(path, message, call, *arguments, **options):
        with pytest.raises(TableError, match=message) as caught:
            call(*arguments, **options)
        assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)

    return refused


@pytest.fixture
def same():
    """Check that two datasets hold the same spectra, axis, contents and samples."""

    def same(found, expected):
        np.testing.assert_array_equal(found.spectra, expected.spectra)
        np.testing.assert_array_equal(found.axis, expected.axis)
        assert (found.axis_unit, found.signal) == (expected.axis_unit, expected.signal)
        pd.testing.assert_frame_equal(found.properties, expected.properties)
        pd.testing.assert_frame_equal(found.samples, expected.samples, check_dtype=False)

    return same


@pytest.fixture
def soils():
    """Simulated soils numbered from `first`: every second without om_g_kg, one in three of another laboratory."""

    def soils(n=7, first=0, **changes):
        numbers = np.arange(first, first + n)
        dataset = SpectralDataset(
            spectra=np.random.default_rng(5).uniform(0.2, 2, (n, 4)).astype(np.float32),
            axis=[600, 602, 604.5, 606],
            axis_unit="cm-1",
            signal="absorbance",
            properties=pd.DataFrame({"c_g_kg": numbers * 1.5, "om_g_kg": np.where(numbers % 2, np.nan, numbers)}),
            samples=pd.DataFrame(
                {
                    "sample_id": [f"s{number}" for number in numbers],
                    "laboratory": np.where(numbers % 3, "KSSL", "ICRAF"),
                    "site": [None if number % 2 else f"site {number}" for number in numbers],
                    "depth_top_cm": numbers * 2.5,
                    "depth_bottom_cm": numbers * 2.5 + 10,
                }
            ),
            provenance={"origin": "simulated", "seed": 3, "source": "test"},
        )
        return SpectralDataset(**(vars(dataset) | changes))

    return soils

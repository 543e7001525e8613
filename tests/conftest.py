from pathlib import Path

import pytest

SHARED = Path(__file__).parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared():
    """The folder of measured spectra and reference material beside the checkout; without it, tests skip."""
    if not SHARED.is_dir():
        pytest.skip("the folder ../shared with measured spectra is not there")
    return SHARED

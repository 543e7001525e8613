import base64

import matplotlib
import numpy as np
import pytest

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from spectrakit.teaching.figures import plots


@pytest.fixture(autouse=True)
def style():
    """Figures in the book's style, closed after each test."""
    with plt.rc_context():
        plots.book_style()
        yield
    plt.close("all")


@pytest.fixture
def values():
    """Function from a series of a widget's specification to its values."""
    return lambda series: np.frombuffer(base64.b64decode(series["data"]), "<f4").reshape(series["shape"])

import matplotlib.pyplot as plt
import pytest

from spectrakit.teaching.figures import plots


@pytest.fixture(autouse=True)
def style():
    """Figures in the book's style, closed after each test."""
    with plt.rc_context():
        plots.book_style()
        yield
    plt.close("all")

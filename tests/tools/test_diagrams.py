import pytest

from spectrakit.resources import data_path
from spectrakit.teaching import figures
from tools.make import diagrams


@pytest.mark.parametrize(
    ("diagram", "texts"),
    [
        (
            diagrams.setup_diagram,
            [
                *("1064 nm, 100 mJ", "half-wave plate", "Glan-Taylor", "f = 100 mm", "f = 75 mm at 45°", "R = 5000"),
                *("delay 2 µs, gate 0.9 µs", "ICCD"),
            ],
        ),
        (
            diagrams.data_flow_diagram,
            ["24 soils, 100 shots each", "CNN, RF, BPNN", "Grad-CAM of the CNN's last convolution"],
        ),
        (
            diagrams.resnet_diagram,
            ["average pooling windows of 10 210", "convolution 48 filters of 3", "flatten 3360", "dense 16, 10, 1 pH"],
        ),
        (
            diagrams.transfer_diagram,
            ["copied, then frozen", "copied, then tuned", "output pH", "output ln Pb"],
        ),
    ],
)
def test_a_diagram_holds_what_the_paper_says_and_no_text_overlaps_another_or_leaves_it(diagram, texts):
    figures.book_style()
    figure = diagram()
    shown = " | ".join([text.get_text() for text in figure.axes[0].texts]).replace("\n", " ")
    assert [text for text in texts if text not in shown] == []
    figure.canvas.draw()
    boxes = [text.get_window_extent() for text in figure.axes[0].texts]
    assert [(i, k) for i in range(len(boxes)) for k in range(i) if boxes[i].overlaps(boxes[k])] == []
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


@pytest.mark.parametrize("name", diagrams.DIAGRAMS)
def test_the_file_is_what_the_script_draws(name, tmp_path):
    diagrams.draw(name, tmp_path / "a.svg")
    drawn = (tmp_path / "a.svg").read_text(encoding="utf-8")
    assert data_path("diagrams", f"{name}.svg").read_text(encoding="utf-8") == drawn
    assert figures.diagram(name).data.endswith(drawn.rstrip()[-200:])

"""Draws data/diagrams, the diagrams of the book, as SVG files. Run `python -m tools.make.diagrams`."""

import matplotlib.pyplot as plt
from matplotlib.patches import Ellipse, FancyArrowPatch, FancyBboxPatch, Polygon, Rectangle

from spectrakit.resources import data_path
from spectrakit.teaching.figures import BLUE, GREEN, GREY, ORANGE, PINK, SKY, YELLOW, book_style


def blank_axes(width, height):
    """Axes for a drawing, one unit a tenth of an inch, origin at the lower left."""
    figure, axes = plt.subplots(figsize=(width / 10, height / 10))
    axes.set(xlim=(0, width), ylim=(0, height), aspect="equal")
    axes.axis("off")
    return figure, axes


def box(axes, x, y, width, height, text, colour=BLUE):
    """A rounded box with a text in its middle, on axes of `blank_axes`."""
    shape = FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.8", ec=colour, fc=colour + "18")
    axes.add_patch(shape)
    axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", fontsize=10, linespacing=1.35)


def arrow(axes, start, end, colour=GREY, **options):
    """An arrow between two points, on axes of `blank_axes`."""
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=11, color=colour, **options))


def setup_diagram():
    """The experiment, from laser to camera: the counterpart of figure 1. Settings as the paper gives them."""
    figure, axes = blank_axes(74, 44)
    axes.plot([17, 42, 42], [37, 37, 11.2], color=ORANGE, linewidth=2.5, zorder=0)  # the laser beam
    axes.plot([42, 53], [11.2, 22.2], color=SKY, linewidth=2.5, zorder=0)  # the plasma's light
    box(axes, 1, 33, 16, 8, "Nd:YAG laser\n1064 nm, 100 mJ", ORANGE)
    for x, name in ((22, "half-wave\nplate"), (31, "Glan-Taylor\npolariser")):
        axes.add_patch(Rectangle((x, 34), 1.6, 6, fc="#FFFFFF", ec=GREY))
        axes.text(x + 0.8, 33, name, ha="center", va="top", fontsize=9)
    axes.plot([40, 44], [39, 35], color=GREY, linewidth=3)
    axes.text(44.5, 39.5, "mirror", fontsize=9, va="center")
    axes.add_patch(Ellipse((42, 25), 9, 2, fc=SKY + "55", ec=GREY))
    axes.text(36.5, 25, "lens\nf = 100 mm", ha="right", va="center", fontsize=9)
    axes.add_patch(Ellipse((48, 17.2), 7, 2, angle=-45, fc=SKY + "55", ec=GREY))
    axes.text(51.8, 17.6, "lens f = 75 mm\nat 45°", va="center", fontsize=9)
    axes.add_patch(Polygon([(40, 9.2), (44, 9.2), (43, 11.5), (42, 13), (41, 11.5)], fc=YELLOW, ec="none"))
    axes.text(39.4, 11.6, "plasma", ha="right", va="center", fontsize=9)
    axes.add_patch(Rectangle((36, 7.2), 12, 2, fc="#B08D6A", ec=GREY))
    axes.text(35.2, 8.2, "soil pellet", ha="right", va="center", fontsize=9)
    box(axes, 31, 1, 22, 5, "translation stage, 3 axes", GREY)
    axes.text(52.5, 26.5, "fibre", fontsize=9, ha="right", va="center")
    arrow(axes, (53, 22.2), (57, 27), SKY, linewidth=2, connectionstyle="angle3,angleA=45,angleB=0")
    box(axes, 57, 23, 16, 8, "echelle\nspectrometer\nR = 5000", SKY)
    box(axes, 60, 9.5, 13, 5.5, "ICCD camera", SKY)
    arrow(axes, (70.5, 23), (70.5, 15), SKY)
    box(axes, 1, 9, 20, 10, "delay generator\ndelay 2 µs, gate 0.9 µs", GREEN)
    arrow(axes, (9, 19), (9, 33), GREEN)
    axes.text(10, 26, "trigger", fontsize=9, va="center")
    axes.plot([11, 11, 54.5, 54.5], [9, -0.4, -0.4, 12.2], color=GREEN, linewidth=1.2)
    arrow(axes, (54.5, 12.2), (60, 12.2), GREEN)
    axes.set_ylim(-1.5, 44)
    return figure


def data_flow_diagram():
    """From spectra to what is reported: the counterpart of figure 2."""
    figure, axes = blank_axes(74, 32)
    for part in (
        (0.5, 19, 14, 9, "spectra\n24 soils,\n100 shots each", GREY),
        (18.5, 19, 12, 9, "trim\nto the\nwindow"),
        (34.5, 19, 13, 9, "normalise\nevery\nspectrum"),
        (51.5, 16, 22, 15, "10-fold\ncross-validation,\nrepeated\nCNN, RF, BPNN", ORANGE),
        (51.5, 1.5, 22, 9, "R², RMSE, MAE, gap,\nerrors, RSD, LOD", GREEN),
        (25.5, 1.5, 22, 9, "Grad-CAM of the\nCNN's last convolution", GREEN),
        (0.5, 1.5, 21, 9, "audit against\nthe table of lines", GREEN),
    ):
        box(axes, *part)
    for ends in (
        ((14.5, 23.5), (18.5, 23.5)),
        ((30.5, 23.5), (34.5, 23.5)),
        ((47.5, 23.5), (51.5, 23.5)),
        ((62.5, 16), (62.5, 10.5)),
        ((51.5, 17.5), (40, 10.5)),
        ((25.5, 6), (21.5, 6)),
    ):
        arrow(axes, *ends)
    return figure


def resnet_diagram():
    """The 1D-ResNet from spectrum to pH, with the sizes of the text: the counterpart of figure 2 of the gejiu paper."""
    figure, axes = blank_axes(74, 33)
    upper = (
        ("log reflectance\n2100", GREY),
        ("average pooling\nwindows of 10\n210", GREEN),
        ("convolution\n48 filters of 3\nleaky ReLU", BLUE),
        ("batch\nnormalisation", BLUE),
        ("max pooling\nwindows of 2\n105", GREEN),
    )
    lower = (
        ("residual\nblock 1", ORANGE),
        ("residual\nblock 2", ORANGE),
        ("convolution\n32 filters of 3", BLUE),
        ("flatten\n3360", GREY),
        ("dense\n16, 10, 1\npH", PINK),
    )
    for row, y in ((upper, 22), (lower, 6.5)):
        for i, (text, colour) in enumerate(row):
            box(axes, 0.5 + 14.9 * i, y, 13, 8.5, text, colour)
            if i:
                arrow(axes, (14.9 * i - 1.4, y + 4.25), (14.9 * i + 0.5, y + 4.25))
    axes.plot([66.6, 66.6, 7, 7], [22, 18.5, 18.5, 16.5], color=GREY, linewidth=1)
    arrow(axes, (7, 17), (7, 15))
    for x in (7, 21.9):  # each skip connection leads past both convolutions of its block
        arrow(axes, (x - 5.5, 6.5), (x + 5.5, 6.5), ORANGE, connectionstyle="arc3,rad=0.4")
    axes.text(29, 4, "skip connections", fontsize=9, color=GREY, va="center")
    return figure


def transfer_diagram():
    """The layers that the lead network takes from the pH network, and those that are tuned: figure 2, lower part."""
    figure, axes = blank_axes(74, 33)
    names = ("spectrum\n2100", "average\npooling", "convolutions,\nresidual blocks", "dense\n16, 10", "output")
    rows = {"pH": (21, (GREY, GREY, BLUE, BLUE, BLUE)), "ln Pb": (3, (GREY, GREY, GREY, PINK, PINK))}
    for target, (y, colours) in rows.items():
        for place, (name, colour) in enumerate(zip(names, colours, strict=True)):
            text = f"{name}\n{target}" if name == "output" else name
            box(axes, 0.5 + 14.9 * place, y, 13, 8, text, colour)
            if place:
                arrow(axes, (14.9 * place - 1.4, y + 4), (14.9 * place + 0.5, y + 4))
    for x in (36.8, 51.7, 66.6):
        arrow(axes, (x, 21), (x, 11), BLUE, linestyle="--")
    axes.text(0.5, 30.5, "ResNet-pH: everything is learned from European soils", fontsize=10)
    axes.text(0.5, 12.6, "ResNet-pH-Pb, soils of Gejiu", fontsize=10)
    axes.text(38, 17.2, "copied, then frozen", fontsize=9, color=GREY)
    axes.text(53, 14.2, "copied, then tuned", fontsize=9, color=GREY)
    return figure


DIAGRAMS = {
    "libs_setup": setup_diagram,
    "libs_data_flow": data_flow_diagram,
    "resnet": resnet_diagram,
    "transfer": transfer_diagram,
}


def draw(name, path):
    """Write a diagram as SVG, the same bytes each time, its words as text."""
    book_style()
    with plt.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        DIAGRAMS[name]().savefig(path, format="svg", metadata={"Date": None, "Creator": None})


if __name__ == "__main__":
    for name in DIAGRAMS:
        draw(name, data_path("diagrams", f"{name}.svg"))

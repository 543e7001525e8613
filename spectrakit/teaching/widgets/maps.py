"""Explorer of Grad-CAM maps."""

import numpy as np

from spectrakit.studies.libs import reference_lines, scaled_to_peak
from spectrakit.teaching.figures import RANGE_NAMES, line_labels
from spectrakit.teaching.widgets.explorer import Control, Explorer, Panel, Series

QUESTIONS = ("What raises the prediction", "What lowers it", "The same network, weights drawn anew")


def grad_cam_browser(explained):
    """Explorer of Grad-CAM maps: choose a sample and a question, see the three windows.

    explained : {(target, range): Explained}, targets in any order, the same samples in all tasks of a range
    Each panel shows the input of the network (scaled spectrum), and below it the map, scaled to its maximum.
    """
    targets = list(dict.fromkeys(target for target, _ in explained))
    ranges = list(dict.fromkeys(range_ for _, range_ in explained))
    panels = [_panel(target, [explained[target, range_] for range_ in ranges]) for target in targets]
    names = [
        name for range_ in ranges for name in _sample_texts([explained[target, range_].task for target in targets])
    ]
    controls = (Control("Sample", tuple(names)), Control("Question", QUESTIONS))
    caption = (
        "Each map is that of the network that had not seen the sample. Yellow is the map's own maximum; a strip that "
        "is dark throughout is an empty map."
    )
    return Explorer(controls, panels, caption, start=(len(names) // 2 - 1, 0))


def _panel(target, parts):
    seen = np.concatenate([part.out_of_fold(part.X) for part in parts])[:, None]
    answers = (lambda part: part.all_maps(), lambda part: part.counter_maps(), lambda part: part.random_maps())
    maps = [np.concatenate([part.out_of_fold(answer(part)) for part in parts]) for answer in answers]
    return Panel(
        f"{target.capitalize()} window",
        parts[0].task.wavelength,
        "Wavelength (nm)",
        "Scaled signal",
        (
            Series("spectrum less the training mean", seen),
            Series("Grad-CAM", scaled_to_peak(np.stack(maps, axis=1)), "strip"),
        ),
        line_labels(reference_lines(target)),
        y_range="each",
    )


def _sample_texts(tasks):
    """A text for each sample of a range: its name and its contents."""
    for i, name in enumerate(tasks[0].sample_id):
        contents = ", ".join(f"{task.target.capitalize()} {task.content[i]:.0f}" for task in tasks)
        yield f"{name}, {RANGE_NAMES[tasks[0].range].removesuffix('s')}: {contents} ppm"

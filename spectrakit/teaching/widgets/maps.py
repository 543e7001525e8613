"""Explorer of Grad-CAM maps."""

import numpy as np

from spectrakit.explain import near_lines
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
    parts = {target: [explained[target, range_] for range_ in ranges] for target in targets}
    maps = {target: np.concatenate([_maps(part) for part in of_target]) for target, of_target in parts.items()}
    panels = [_panel(target, parts[target], maps[target]) for target in targets]
    names = [
        name for range_ in ranges for name in _sample_texts([explained[target, range_].task for target in targets])
    ]
    controls = (Control("Sample", tuple(names)), Control("Question", QUESTIONS))
    caption = (
        "Each map is that of the network that had not seen the sample. Yellow is the map's own maximum; a strip that "
        "is dark throughout is an empty map."
    )
    question = "Would you notice if a map came from a network that has learned nothing?"
    start = (len(names) // 2 - 1, 0)
    return Explorer(controls, panels, caption, start, question, _answers(parts, maps))


def _answers(parts, maps):
    """How much of each map lies near lines of its element, and how much would by chance: a sentence a map.

    parts : {target: Explained of each range}; maps : {target: (n_samples, n_questions, n_channels)}
    """
    words = []
    for target, each in maps.items():
        near = near_lines(parts[target][0].task.wavelength, reference_lines(target).wavelength_air_nm)
        shares = each[:, :, near].sum(axis=2) / np.maximum(each.sum(axis=2), 1e-12)
        words.append([f"{target.capitalize()} {share:.0%} ({near.mean():.0%})" for share in shares.ravel()])
    return [f"Mass near lines of the element (by chance): {', '.join(of_map)}." for of_map in zip(*words, strict=True)]


def _maps(part):
    """Maps of each sample to each question: (n_samples, n_questions, n_channels)."""
    maps = (part.all_maps(), part.counter_maps(), part.random_maps())
    return np.stack([part.out_of_fold(each) for each in maps], axis=1)


def _panel(target, parts, maps):
    seen = np.concatenate([part.out_of_fold(part.X) for part in parts])[:, None]
    return Panel(
        f"{target.capitalize()} window",
        parts[0].task.wavelength,
        "Wavelength (nm)",
        "Scaled signal",
        (
            Series("spectrum less the training mean", seen),
            Series("Grad-CAM", scaled_to_peak(maps), "strip"),
        ),
        line_labels(reference_lines(target)),
        y_range="each",
    )


def _sample_texts(tasks):
    """A text for each sample of a range: its name and its contents."""
    for i, name in enumerate(tasks[0].sample_id):
        contents = ", ".join(f"{task.target.capitalize()} {task.content[i]:.0f}" for task in tasks)
        yield f"{name}, {RANGE_NAMES[tasks[0].range].removesuffix('s')}: {contents} ppm"

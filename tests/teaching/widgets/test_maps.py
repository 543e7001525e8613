import numpy as np
import pytest
import torch

from spectrakit.models.cnn import CNNConfig
from spectrakit.simulate.libs import experiment
from spectrakit.studies.libs.domains import cut_task
from spectrakit.studies.libs.experiments import explain_task, scaled_to_peak
from spectrakit.studies.libs.protocol import OpenChoices
from spectrakit.teaching.widgets.maps import QUESTIONS, grad_cam_browser


@pytest.fixture(scope="module")
def explained():
    torch.set_num_threads(1)
    soils = {"high": experiment.spiked_soils(), "low": experiment.field_soils()}
    data = {range_: experiment.measure(each, n_shots=2) for range_, each in soils.items()}
    choices = OpenChoices(cnn=CNNConfig(max_epochs=5))
    tasks = {(target, range_): cut_task(data[range_], target, range_) for target in ("ca", "na") for range_ in data}
    return {key: explain_task(task, choices) for key, task in tasks.items()}


def test_every_sample_and_question_has_its_map(explained, values):
    specification = grad_cam_browser(explained).specification
    samples, questions = (control["text"] for control in specification["controls"])
    assert len(samples) == 24 and questions == list(QUESTIONS)
    assert samples[1] == "S02, spiked soil: Ca 50, Na 50 ppm" and samples[12].startswith("S13, field soil: Ca ")
    calcium, sodium = specification["panels"]
    assert (calcium["title"], len(calcium["x"]), len(sodium["x"])) == ("Ca window", 66, 33)
    assert [label for _, label in sodium["markers"]] == ["Na I 589.00", "Na I 589.59"]
    part = explained["na", "low"]
    spectrum, strip = (values(series) for series in sodium["series"])
    np.testing.assert_allclose(spectrum[12:, 0], part.out_of_fold(part.X), rtol=1e-6)
    for i, maps in enumerate((part.all_maps(), part.counter_maps(), part.random_maps())):
        np.testing.assert_allclose(strip[12:, i], scaled_to_peak(part.out_of_fold(maps)), atol=1e-6)

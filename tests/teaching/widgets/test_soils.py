import base64
import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from spectrakit.simulate.soils.reflectance import soil_reflectance
from spectrakit.teaching.widgets import soils as soil_mixer
from spectrakit.teaching.widgets.soils import AMOUNTS, START, Mixture, composition
from spectrakit.teaching.widgets.soils import soil_mixer as build

SOILS = (
    START,
    dict.fromkeys(AMOUNTS, 0) | {"grain size": 400},
    START | {"hematite": 10, "goethite": 10, "organic_matter": 40, "water": 10, "grain size": 10},
    START | {"kaolinite": 80, "smectite": 60, "calcite": 100},
    START | {"calcite": 40},
    START | {"hematite": 5},
)


def indices(amounts):
    return [AMOUNTS[name].index(amounts[name]) for name in AMOUNTS]


def page_reflectance(series, chosen):
    """What `mixed` in widgets.js computes, from the same specification."""
    rows = np.frombuffer(base64.b64decode(series["data"]), "<f4").reshape(series["shape"]).astype(float)
    mixture = series["mixture"]
    *dry, water, grain = (amounts[i] for amounts, i in zip(mixture["amounts"], chosen, strict=True))
    named = sum(dry)
    shares = [max(1 - named, 0), *(amount / max(named, 1) for amount in dry), water]
    ratio = np.maximum(shares @ rows[:-1], 1e-4) / (np.sqrt(mixture["grain"] / grain) * rows[-1])
    return mixture["surface"] + (1 - mixture["surface"]) * (1 + ratio - np.sqrt(ratio * (ratio + 2)))


@pytest.mark.parametrize("amounts", SOILS)
def test_the_page_mixes_as_the_simulator_does(amounts):
    for panel in build().specification["panels"]:
        wavelength = np.array(panel["x"])
        expected = soil_reflectance(composition(amounts), np.array([amounts["grain size"]]), wavelength)[0]
        np.testing.assert_allclose(page_reflectance(panel["series"][0], indices(amounts)), expected, atol=2e-5)


@pytest.mark.skipif(shutil.which("node") is None, reason="the page's own script needs a JavaScript engine")
def test_the_script_of_the_page_gives_the_same(tmp_path):
    series = build().specification["panels"][0]["series"][0]
    script = Path(soil_mixer.__file__).with_name("explorer.js").read_text(encoding="utf-8")
    cases = json.dumps([series, [indices(amounts) for amounts in SOILS]])
    ask = f"const [series, cases] = {cases}; series.values = unpack(series.data);"
    ask += "console.log(JSON.stringify(cases.map((chosen) => [...pick(series, chosen)])));"
    (tmp_path / "page.mjs").write_text(script.replace("export default", "const page =") + ask, encoding="utf-8")
    answer = subprocess.run(["node", tmp_path / "page.mjs"], capture_output=True, text=True, check=True).stdout
    expected = [page_reflectance(series, indices(amounts)) for amounts in SOILS]
    np.testing.assert_allclose(json.loads(answer), expected, atol=1e-6)


def test_what_is_not_named_is_quartz_and_too_much_is_scaled_down():
    soil = dict(zip(soil_mixer.CONSTITUENTS, composition(START)[0], strict=True))
    assert soil["quartz"] == pytest.approx(0.799) and soil["water"] == pytest.approx(0.01)
    full = dict(zip(soil_mixer.CONSTITUENTS, composition(SOILS[3])[0], strict=True))
    assert full["quartz"] < 1e-12 and full["calcite"] == pytest.approx(100 / 253.1)
    assert sum(full.values()) - full["water"] == pytest.approx(1)


def test_the_widget_starts_with_its_reference_soil_and_is_small(values):
    widget = build()
    assert widget.indices == indices(START)
    assert [
        control["text"][i] for control, i in zip(widget.specification["controls"], widget.indices, strict=True)
    ] == [*("5 %", "2 %", "10 %", "0.1 %", "1 %", "0 %", "2 %", "1 %", "50 µm")]
    for panel in widget.specification["panels"]:
        own, start = panel["series"]
        np.testing.assert_allclose(page_reflectance(own, widget.indices), values(start).ravel(), atol=2e-5)
    assert len(json.dumps(widget.specification, allow_nan=False)) < 50_000


def test_other_controls_are_refused():
    with pytest.raises(ValueError, match=r"series 'soil': controls and channels are \(2, 3\), not \(11, "):
        Mixture("soil", np.arange(3.0)).specification((2, 3))

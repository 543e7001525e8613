import numpy as np
import pytest

from spectrakit.contents import content_limits, split_unit


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("ca_ppm", ("ca", "ppm")),
        ("cao_wt_pct", ("cao", "wt %")),
        ("soc_pct", ("soc", "%")),
        ("ph", ("ph", "pH")),
        ("c_g_kg", ("c", "g/kg")),
        ("p_mg_kg", ("p", "mg/kg")),
        ("graph", ("graph", None)),
        ("na", ("na", None)),
    ],
)
def test_split_unit(name, parts):
    assert split_unit(name) == parts


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("c_g_kg", 0, 580),
        ("soc_pct", 0, 58),
        ("oc_wt_pct", 0, 58),
        ("om_g_kg", 0, 1000),
        ("clay_pct", 0, 100),
        ("ca_ppm", 0, 1e6),
        ("cec_cmol_kg", 0, np.inf),
        ("ph", -np.inf, np.inf),
        ("cacl2_ph", -np.inf, np.inf),
        ("lg_c", -np.inf, np.inf),
    ],
)
def test_limits_follow_from_name_and_unit(name, low, high):
    assert content_limits(name) == pytest.approx((low, high))

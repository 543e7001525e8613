import pytest

from spectrakit.contents import split_unit


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

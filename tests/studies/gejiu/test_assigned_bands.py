import pytest

from spectrakit.ledger import load_published
from spectrakit.studies.gejiu.assigned_bands import band_distances, nearest_band

ENTRIES = load_published("gejiu")["entries"]


def test_distances_to_bands():
    found = band_distances(ENTRIES)
    assert set(found) == {name for name in ENTRIES if name.startswith("band_distance.")}
    # Goethite and hematite absorb at 658 and 650 nm, the first overtone of aromatic C-H at 1650 nm is 80 nm wide.
    assert found["band_distance.600_700.iron_oxides"] == found["band_distance.1670.organic_matter"] == 0
    # 1747 nm, 42.9 nm wide
    assert found["band_distance.959.carbonate"] == pytest.approx(1747 - 42.9 / 2 - 959)
    # Kaolinite's O-H stretch with lattice modes, 1239.7 nm, 30 nm wide; liquid water, 1780 nm, 110 nm wide
    assert found["band_distance.919.clay"] == pytest.approx(1239.7 - 30 / 2 - 919)
    assert found["band_distance.1639.water"] == pytest.approx(1780 - 110 / 2 - 1639)


def test_edges_and_wings_are_no_bands():
    for constituents in (["hematite", "goethite"], ["water"], ["organic_matter"]):
        band = nearest_band({"band": [350, 2600], "constituents": constituents})
        assert band["kind"] != "edge" and not band["assignment"].startswith("wing")

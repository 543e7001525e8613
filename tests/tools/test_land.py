import struct

import numpy as np

from tools.make.land import land, rings, simplified

SQUARE = np.array([[0.0, 0], [5, 0.1], [10, 0], [10, 10], [0, 10], [0, 0]])
ISLAND = np.array([[20.0, 20], [20.5, 20], [20, 20.5], [20, 20]])


def shapefile(path):
    """One polygon of two rings, as the format of ESRI (1998) has it."""
    points = np.concatenate([SQUARE, ISLAND])
    content = struct.pack("<i4d2i2i", 5, 0, 0, 21, 21, 2, len(points), 0, len(SQUARE)) + points.astype("<f8").tobytes()
    path.write_bytes(bytes(100) + struct.pack(">2i", 1, len(content) // 2) + content)
    return path


def test_rings_are_those_of_the_file(tmp_path):
    square, island = rings(shapefile(tmp_path / "a.shp"))
    np.testing.assert_array_equal(square, SQUARE)
    np.testing.assert_array_equal(island, ISLAND)


def test_a_point_near_the_line_is_left_out():
    np.testing.assert_array_equal(simplified(SQUARE), np.delete(SQUARE, 1, axis=0))


def test_small_islands_are_left_out(tmp_path):
    table = land(shapefile(tmp_path / "a.shp"))
    assert table["ring"].tolist() == [0] * 5 and table.iloc[1].tolist() == [0, 10.0, 0.0]

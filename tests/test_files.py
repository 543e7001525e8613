import pytest

from spectrakit.files import folder_written_whole, written_whole


def test_half_a_file_never_takes_the_place_of_a_whole_one(tmp_path):
    path = tmp_path / "result.txt"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), written_whole(path) as part:
        part.write_text("ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_half_a_folder_is_none(tmp_path):
    with pytest.raises(KeyboardInterrupt), folder_written_whole(tmp_path / "new") as part:
        (part / "file").write_text("half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []
    with folder_written_whole(tmp_path / "new") as part:
        (part / "file").write_text("all")
    assert (tmp_path / "new" / "file").read_text() == "all"

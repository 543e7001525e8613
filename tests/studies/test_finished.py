from spectrakit.studies.finished import FinishedParts, run_key


def test_what_is_kept_comes_back_under_its_own_run_only(tmp_path):
    kept = FinishedParts(tmp_path / "runs", "one")
    assert kept.load("a") is None
    kept.save("a", {"r2": 0.1 + 0.2, "model": "pls"})
    assert FinishedParts(tmp_path / "runs", "one").load("a") == {"r2": 0.1 + 0.2, "model": "pls"}
    assert FinishedParts(tmp_path / "runs", "other").load("a") is None
    assert [path.name for path in (tmp_path / "runs/one").iterdir()] == ["a.json"]


def test_the_key_knows_settings_data_and_code(tmp_path):
    package = tmp_path / "package"
    (package / "room").mkdir(parents=True)
    code, data = package / "room" / "module.py", tmp_path / "lines.csv"
    code.write_text("a = 1\n")
    data.write_text("1\n")

    def key(*parts):
        return run_key(*parts, data=[data], package=package)

    first = key(b"spectra", {"b": 1, "a": 2})
    assert first == key(b"spectra", {"a": 2, "b": 1}) and len(first) == 16
    changed = {key(b"other", {"b": 1, "a": 2}), key(b"spectra", {"b": 1, "a": 3})}
    data.write_text("2\n")
    changed.add(key(b"spectra", {"b": 1, "a": 2}))
    code.write_text("a = 2\n")
    changed.add(key(b"spectra", {"b": 1, "a": 2}))
    assert len(changed | {first}) == 5

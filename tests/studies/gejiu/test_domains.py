import numpy as np
import pandas as pd
import pytest

from spectrakit.simulate.soils.gejiu import simulate_gejiu
from spectrakit.simulate.soils.lucas import simulate_lucas
from spectrakit.studies.gejiu.domains import source_domain, target_domain
from spectrakit.studies.gejiu.experiments import compared_properties
from spectrakit.tables import TableError


def test_domains_hold_log_reflectance_and_published_splits(tiny_gejiu):
    source, target = source_domain(tiny_gejiu), target_domain(tiny_gejiu)
    assert source.log_reflectance.shape == (tiny_gejiu.n_source, 2100)
    assert [len(side) for side in target.rounds[0]] == [98, 32]
    assert target.log_reflectance.dtype == np.float32 and (target.log_reflectance < 0).all()
    np.testing.assert_allclose(np.log(target.reflectance), target.log_reflectance, rtol=1e-6)
    assert "pb_mg_kg" not in target.properties and "ph" in target.properties
    assert (target.target.min(), target.target.max()) == pytest.approx((34.6, 9720))
    assert source.provenance["origin"] == "simulated" and source.provenance["notes"] == []


def write(path, scans, channels, **contents):
    path.parent.mkdir()
    table = pd.concat([pd.DataFrame(contents), pd.DataFrame(scans, columns=channels)], axis=1)
    table.to_csv(path, index=False)


def test_measured_files_take_the_place_of_simulated_ones(tiny_gejiu, tmp_path):
    lucas, lead = simulate_lucas(24), simulate_gejiu(30)
    contents = {"pH_in_H2O": lucas.properties["ph"].round(2), "clay": lucas.properties["clay_pct"]}
    readings = np.repeat(-np.log10(lucas.spectra), 2, axis=1).round(5)
    channels = [f"spc.{nm:g}" for nm in np.arange(400, 2500, 0.5)]
    write(tmp_path / "lucas" / "spectra_AT.csv", readings, channels, SampleID=range(24), **contents)
    asd = np.hstack([np.repeat(lead.spectra[:, :1], 50, axis=1), lead.spectra, lead.spectra[:, -1:]])
    asd[3, 700] = 1e-4
    names = [f"G{i}" for i in range(30)]
    write(tmp_path / "gejiu" / "gejiu.csv", asd, range(350, 2501), sample_id=names, Pb=lead.properties["pb_mg_kg"])
    source = source_domain(tiny_gejiu, 0, tmp_path)
    target = target_domain(tiny_gejiu, 0, tmp_path)
    assert (len(source), len(target)) == (24, 30)
    np.testing.assert_allclose(source.reflectance, lucas.spectra, rtol=1e-4)
    np.testing.assert_allclose(target.target, lead.properties["pb_mg_kg"])
    assert target.provenance["notes"] == ["reflectance below 0.001 was set to 0.001 in 1 sample"]
    assert source.provenance["origin"] == target.provenance["origin"] == "measured"
    assert compared_properties(source, 5)["all of them"] == ["ph", "clay_pct"]
    with pytest.raises(TableError, match="lucas"):
        source_domain(tiny_gejiu, 0, tmp_path / "gejiu")

"""Is what was written, by this kit or by another program, read back equal, whatever the names and numbers?"""

import csv
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spectrakit.spectra import SpectralDataset
from spectrakit.tables import convert_files, read_library, read_table, write_table

NM = ("nm", "reflectance")
ENDINGS = (".csv", ".csv.gz", ".parquet")
# The same examples each time; a folder serves all examples of a test.
few = settings(
    derandomize=True, max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
axes = st.lists(st.integers(3500, 24990), min_size=2, max_size=6, unique=True).map(lambda tens: np.sort(tens) / 10)
contents = st.one_of(st.just(np.nan), st.floats(1.5, 12.5), st.integers(2, 12).map(float))
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=8)
fractions = st.floats(2**-7, 0.875, width=32)
markup = st.sampled_from(
    ["[red]a[/red]", "<b>b</b>", "=1+1", "two\nlines", 'a "b"', "a,b;c\td", "007", "1e5", "NA", "ö"]
)
names = st.one_of(markup, texts).filter(lambda name: name.strip() == name and name[0].isprintable())


@st.composite
def tables(draw, levels=fractions):
    """One to five spectra with contents of two properties, names and sites."""
    axis = draw(axes)
    ids = draw(st.lists(names, min_size=1, max_size=5, unique=True))
    n = len(ids)
    spectra = draw(st.lists(st.lists(levels, min_size=len(axis), max_size=len(axis)), min_size=n, max_size=n))
    lead, ph = (draw(st.lists(contents, min_size=n, max_size=n)) for _ in range(2))
    sites = draw(st.lists(st.one_of(st.none(), names), min_size=n, max_size=n))
    properties = pd.DataFrame({"pb_mg_kg": lead, "ph": ph})
    samples = pd.DataFrame({"sample_id": ids, "site": sites}, dtype="str")
    return SpectralDataset(spectra, axis, "nm", "reflectance", properties, samples, {"origin": "measured"})


@pytest.mark.parametrize("ending", ENDINGS)
@given(table=tables())
@few
def test_a_dataset_is_read_back_equal(tmp_path, same, ending, table):
    table.samples["depth_cm"] = np.arange(len(table)) * 2.5
    write_table(table, path := tmp_path / f"table{ending}")
    same(read_table(path, *NM), table)


written_as = st.fixed_dictionaries(
    {
        "sep": st.sampled_from(",;\t|"),
        "na_rep": st.sampled_from(["", "NA", "NaN"]),
        "lineterminator": st.sampled_from(["\n", "\r\n", "\r"]),
        "encoding": st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    }
)


@given(
    table=tables(),
    how=written_as,
    commas=st.booleans(),
    before=st.sampled_from(["", "# a remark\n", "Soils of 2024\n\n"]),
    turned=st.booleans(),
)
@few
def test_a_table_of_another_program_is_read_back_equal(tmp_path, same, table, how, commas, before, turned):
    if how["lineterminator"] == "\r":  # where pandas does not put line feeds between quotation marks
        table = replace(table, samples=table.samples.replace("\n", " ", regex=True))
    decimal = "," if commas and how["sep"] != "," else "."
    channels = pd.DataFrame(table.spectra, columns=[f"{value:g}" for value in table.axis])
    channels = channels.iloc[:, ::-1] if turned else channels
    frame = pd.concat([table.samples, table.properties, channels], axis=1)
    text = before.replace("\n", how["lineterminator"]) + frame.to_csv(
        index=False, decimal=decimal, **{k: v for k, v in how.items() if k != "encoding"}
    )
    (path := tmp_path / "table.csv").write_bytes(text.encode(how["encoding"]))
    # A site without a name is text where it is written as NA.
    read, named = (replace(one, samples=one.samples[["sample_id"]]) for one in (read_table(path, *NM), table))
    same(read, named)


@pytest.mark.parametrize("ending", ENDINGS)
@given(table=tables(levels=st.one_of(st.just(np.nan), st.floats(2**-7, 2, width=32))))
@few
def test_a_library_laid_out_as_the_ossl_is_read_back_equal(tmp_path, ending, table):
    ids, ph = table.samples["sample_id"] + ".", table.properties["ph"]  # NA stands for what is not known
    columns = {
        "latitude.point_wgs84_dd": 45.5,
        "dataset.code_ascii_txt": "KSSL.SSL",
        "id.layer_uuid_txt": ids,
        "id.dataset.site_ascii_txt": table.samples["site"],
        "clay.tot_usda.a334_w.pct": ph,
        "ph.h2o_usda.a268_index": ph,
    }
    channels = {f"scan_mir.{value:g}_abs": table.spectra[:, at] for at, value in enumerate(table.axis)}
    frame = pd.DataFrame(columns | channels)
    path = tmp_path / f"ossl{ending}"
    frame.to_parquet(path) if ending == ".parquet" else frame.to_csv(path, index=False, na_rep="NA")
    whole = ~np.isnan(table.spectra).all(axis=1)
    if not whole.any():
        return
    read = read_library(path, "cm-1", "absorbance")
    np.testing.assert_array_equal(read.axis, table.axis)
    np.testing.assert_array_equal(read.spectra, table.spectra[whole])
    for name in ("ph", "clay_pct"):
        np.testing.assert_array_equal(read.properties[name], ph[whole])
    assert read.samples["sample_id"].tolist() == ids[whole].tolist()


@given(
    values=st.lists(fractions, min_size=10, max_size=15),
    start=st.integers(350, 2000),
    between=st.sampled_from(["\t", " ", ";", ", ", ","]),
    commas=st.booleans(),
    head=st.sampled_from(["", "nm\tR\n", "# soil, 20 °C\n\n", "Wavelength;Reflectance\n"]),
    turned=st.booleans(),
    end=st.sampled_from(["\n", "\r\n"]),
)
@few
def test_text_of_two_columns_is_read_back_equal(tmp_path, values, start, between, commas, head, turned, end):
    rows = [f"{start + at / 2}{between}{value!r}" for at, value in enumerate(values)]
    text = head + "\n".join(reversed(rows) if turned else rows) + "\n"
    text = text.replace(".", ",") if commas and "," not in between else text
    (path := tmp_path / "soil.txt").write_text(text.replace("\n", end), encoding="utf-8", newline="")
    read = convert_files(path, "nm", "reflectance")
    np.testing.assert_array_equal(read.axis, start + np.arange(len(values)) / 2)
    np.testing.assert_array_equal(read.spectra, np.float32([values]))


@given(
    values=st.lists(st.integers(1, 3000), min_size=3, max_size=40),
    form=st.sampled_from(["plain", "packed", "squeezed", "pairs"]),
    first=st.integers(1000, 4000),
    width=st.integers(1, 7),
)
@few
def test_jcamp_is_read_back_equal(tmp_path, values, form, first, width):
    n, last = len(values), first - 2 * (len(values) - 1)
    head = "##TITLE=soil\n##JCAMP-DX=4.24\n##DATA TYPE=INFRARED SPECTRUM\n##XUNITS=1/CM\n##YUNITS=ABSORBANCE\n"
    head += f"##XFACTOR=1\n##YFACTOR=0.001\n##FIRSTX={first}\n##LASTX={last}\n##NPOINTS={n}\n##FIRSTY={values[0]}\n"
    if form == "pairs":
        rows = [f"{first - 2 * at}, {value / 1000}" for at, value in enumerate(values)]
        text = head.replace("##YFACTOR=0.001\n", "##YFACTOR=1\n") + "##XYPOINTS=(XY..XY)\n" + "\n".join(rows)
    else:
        one = {"plain": " {}", "packed": "+{}", "squeezed": "{}"}[form].format
        cells = [one(value) for value in values]
        if form == "squeezed":
            cells = ["@ABCDEFGHI"[int(cell[0])] + cell[1:] for cell in cells]
        starts = range(0, n, width)
        rows = [f"{first - 2 * at}" + "".join(cells[at : at + width]) for at in starts]
        text = head + "##XYDATA=(X++(Y..Y))\n" + "\n".join(rows)
    (path := tmp_path / "soil.jdx").write_text(text + "\n##END=\n")
    read = convert_files(path)
    np.testing.assert_allclose(read.axis, np.arange(last, first + 1, 2))
    np.testing.assert_allclose(read.spectra, np.float32([values[::-1]]) / 1000, rtol=1e-6)

"""The columns of the Open Soil Spectral Library: their names in a plain spectral table, and the factors.

Mid-infrared spectra are absorbance, log10(1/R), in columns scan_mir.600_abs ... scan_mir.4000_abs (1/cm). Vis-NIR
spectra are reflectance as a fraction in scan_visnir.350_ref ... scan_visnir.2500_ref (nm); an early release gave per
cent, in scan_visnir.350_pcnt ... One file may hold both. Near-infrared spectra of handheld spectrometers, fractions
too, stand in tables of their own, in scan_nir.1350_ref ... scan_nir.2550_ref (nm), several scans a sample.
Source: OSSL manual, chapters 'Database' and 'Neospectra database', release 1.2
(soilspectroscopy.github.io/ossl-manual).
"""

import re

from spectrakit.tables.columns import CHANNEL_NAME
from spectrakit.tables.rules import TableError

# Scans by the unit of their axis: the columns of the channels, the signal, the column that names the instrument.
_SCANS = {
    "cm-1": (re.compile(r"scan_mir\.(.+)_abs"), "absorbance", "scan.mir.model.name_utf8_txt"),
    "nm": (re.compile(r"scan_visnir\.(.+)_(?:ref|pcnt)"), "reflectance", "scan.visnir.model.name_utf8_txt"),
}
# Of handheld spectrometers (Neospectra), in tables of their own.
_NIR = (re.compile(r"scan_nir\.(.+)_(?:ref|pcnt)"), "reflectance", "scan.nir.model.name_utf8_txt")
_SAMPLES = {
    "dataset.code_ascii_txt": "laboratory",
    "id.project_ascii_txt": "project",
    "id.dataset.site_ascii_txt": "site",
    "location.country_iso.3166_txt": "country",
    "observation.date.begin_iso.8601_yyyy.mm.dd": "date",
    "layer.upper.depth_usda_cm": "depth_top_cm",
    "layer.lower.depth_usda_cm": "depth_bottom_cm",
    "latitude.point_wgs84_dd": "latitude",
    "longitude.point_wgs84_dd": "longitude",
}
_LABORATORY = "scan.lab_utf8_txt"  # of the tables that name no dataset
_IDS = ("id.layer_uuid_txt", "id.layer_local_c", "id.sample_local_c")
# The target methods of level 1: name in the OSSL, name here, factor. Weight per cent x 10 are g/kg. The OSSL has no
# column of organic matter; it does not follow from carbon, so none is made up.
PROPERTIES = {
    "c.tot_usda.a622_w.pct": ("c_g_kg", 10),
    "oc_usda.c729_w.pct": ("oc_g_kg", 10),
    "n.tot_usda.a623_w.pct": ("n_g_kg", 10),
    "s.tot_usda.a624_w.pct": ("s_g_kg", 10),
    "caco3_usda.a54_w.pct": ("caco3_pct", 1),
    "clay.tot_usda.a334_w.pct": ("clay_pct", 1),
    "silt.tot_usda.c62_w.pct": ("silt_pct", 1),
    "sand.tot_usda.c60_w.pct": ("sand_pct", 1),
    "ph.h2o_usda.a268_index": ("ph", 1),
    "ph.cacl2_usda.a481_index": ("cacl2_ph", 1),
    "cec_usda.a723_cmolc.kg": ("cec_cmol_kg", 1),
    "bd_usda.a4_g.cm3": ("bd_g_cm3", 1),
}
# Endings of every other property: the unit here, and the factor. 'index' is the OSSL's word for pH.
_UNITS = {
    "w.pct": ("pct", 1),
    "w.frac": ("pct", 100),
    "index": ("ph", 1),
    "cmolc.kg": ("cmol_kg", 1),
    "mg.kg": ("mg_kg", 1),
    "g.kg": ("g_kg", 1),
    "g.cm3": ("g_cm3", 1),
    "ds.m": ("ds_m", 1),
}
_PROPERTY = re.compile(rf"(.+)_({'|'.join(map(re.escape, _UNITS))})")


def is_ossl(names):
    """Whether the columns of a table are named as those of the OSSL."""
    return any(channels.fullmatch(name) for name in names for channels, *_ in (*_SCANS.values(), _NIR))


def ossl_columns(path, names, axis_unit, signal):
    """The columns of an OSSL table as those of a plain spectral table: {name here: (name in the file, factor)}.

    path : of the table, for messages; names : its columns
    axis_unit, signal : 'cm-1' and 'absorbance' for the mid-infrared, 'nm' and 'reflectance' for the vis-NIR, or
        'percent-reflectance' where the columns end in _pcnt

    A property of `PROPERTIES` gets the name there; another keeps its name, with its method, in letters, digits and
    underscores, and its unit: fe.ox_usda.a60_w.pct becomes fe_ox_usda_a60_pct. Columns that are neither channel nor
    property, nor say where and when a sample was taken and who scanned it, are left out.
    Raises TableError where the scans asked for are not there, or no column names the samples.
    """
    channels, held, instrument = _SCANS[axis_unit]
    if axis_unit == "nm" and not any(map(channels.fullmatch, names)):
        channels, held, instrument = _NIR
    scans = {match[1]: name for name in names if (match := channels.fullmatch(name))}
    if any(name.endswith("_pcnt") for name in scans.values()):
        held = "percent-reflectance"
    if not scans:
        raise TableError(
            f"{path}: no scan in {axis_unit}, which has columns such as "
            f"{'scan_mir.600_abs' if axis_unit == 'cm-1' else 'scan_visnir.350_ref'}; declare the other axis to read "
            "the other scans of this table"
        )
    if signal != held:
        raise TableError(f"{path}: the scans in {axis_unit} are {held} in the OSSL, not {signal}; declare {held}")
    wrong = [scans[value] for value in scans if not CHANNEL_NAME.fullmatch(value)]
    if wrong:
        raise TableError(f"{path}: no number in the name of a channel (column {wrong[0]}); name it as the OSSL does")
    sample_id = next((name for name in _IDS if name in names), None)
    if sample_id is None:
        raise TableError(f"{path}: row 1 names no column {' or '.join(_IDS)}; add one with a name for every sample")
    columns = {"sample_id": (sample_id, 1)} | ({"laboratory": (_LABORATORY, 1)} if _LABORATORY in names else {})
    for name in names:
        if match := _PROPERTY.fullmatch(name):
            renamed, factor = PROPERTIES.get(name) or _renamed(*match.groups())
            columns[renamed] = (name, factor)
        elif name in _SAMPLES or name == instrument:
            columns[_SAMPLES.get(name, "instrument")] = (name, 1)
    return columns | {value: (name, 1) for value, name in scans.items()}


def _renamed(name, ending):
    unit, factor = _UNITS[ending]
    return f"{re.sub('[^a-z0-9]+', '_', name.lower()).strip('_')}_{unit}", factor

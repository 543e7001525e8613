"""The target domain of the Gejiu study: 130 topsoils between smelters and mines, and their lead.

The places follow the published sampling design; the positions of smelters, mines and roads are invented. Lead has the
published distribution: its retention by a soil, the distance from its sources and chance decide the soil's rank.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pandas as pd

from spectrakit.resources import data_path
from spectrakit.simulate.instruments import ASD_FIELDSPEC_3
from spectrakit.simulate.soils.composition import Region, draw_soils
from spectrakit.simulate.soils.lucas import published_ph
from spectrakit.simulate.soils.reflectance import Variation, draw_variation, no_variation, weighted
from spectrakit.simulate.soils.scans import scan, scans_dataset

N_SAMPLES = 130
# Subtropical plateau (Gejiu city: 16 degrees C, 1,100 mm a year), old soils on Triassic limestone and on the granite
# of the ore, with schist, basalt and valley fill.
GEJIU = Region(
    "Gejiu",
    temperature_c=(16.0, 1.5),
    humidity=(1.25, 0.25),
    age=(2.2, 0.5),
    parents={"limestone": 0.40, "granite": 0.25, "schist": 0.20, "mafic": 0.05, "alluvium": 0.10},
    land_uses=(0.50, 0.20, 0.30),
)

# The share of the variance of the lead score that no spectrum can show: with it, PLS and SVM on the logarithm of lead
# have about the published scores on average over seeds (`tools/make/calibrate_visnir.py share`). The weights below, the
# pyrite and WITHIN_DISTRICT were chosen by the same two scores, see data/README.md, and not by results of any network.
UNKNOWN_SHARE = 0.15
# Retention of lead by properties that spectra show, per standard deviation: sorption grows with pH and with the
# surfaces of iron oxides, organic matter and clay (Bradl 2004). The signs are textbook knowledge, the sizes assumed.
RETENTION = {"ph": 0.4, "fe_oxides_pct": 1.0, "soc_pct": 0.4, "clay_pct": 0.4}
ORE_WEIGHT = 1.0
SMELTER_REACH_KM, MINE_REACH_KM = 1.5, 1.0

# Soils of one district share ore, rocks and history: their constituents vary by this share of the variance between the
# soils of a continent.
WITHIN_DISTRICT, DISTRICT_SEED = 0.2, 2024

# Oxidation of 1 kg pyrite leaves 0.741 kg goethite and 33.3 mol of acid, which dissolves 1.67 kg calcite.
GOETHITE_PER_PYRITE, CALCITE_PER_PYRITE, ACID_PER_PYRITE = 88.85 / 119.98, 200.17 / 119.98, 3334.0  # kg, kg, cmol
# Pyrite (share of mass) from waste rock and tailings beside a mine, which has since oxidised, and the share of the acid
# not neutralised by carbonate that rain has left.
PYRITE_AT_MINE, ACID_LEFT = 0.3, 0.01
# Aluminium and iron that go into solution buffer soils at this pH.
MIN_PH = 3.2


@dataclass(frozen=True)
class SamplingMap:
    """The study area, kilometres east and north of its south-western corner.

    points : DataFrame (130,) with easting_km, northing_km and area: 'smelting grid' (1000 m apart), 'near smelter'
        (500 m) or 'mining road' (every 1000 m)
    smelters, mines : (n, 2); roads : tuple of (n, 2) lines
    """

    points: pd.DataFrame
    smelters: np.ndarray
    mines: np.ndarray
    roads: tuple


@cache
def sampling_map():
    """Where the 130 samples were taken: `SamplingMap`. Source: gejiu paper, section 2.1, for the spacings."""
    smelters = np.array([(3.6, 24.4), (6.5, 26.6), (8.4, 23.5)])
    mines = np.array([(4.1, 13.2), (7.0, 11.1), (5.3, 7.6), (8.6, 5.9), (6.4, 2.7)])
    roads = (
        np.array([(5.0, 20.4), (4.6, 16.0), (3.7, 13.5), (4.4, 10.0), (5.8, 7.2), (6.0, 3.0), (7.5, 0.5)]),
        np.array([(4.6, 16.0), (7.3, 14.2), (7.4, 10.6), (9.6, 8.3), (8.3, 5.5), (6.0, 3.0)]),
        np.array([(4.4, 10.0), (1.8, 8.9), (1.2, 5.4)]),
        np.array([(7.3, 14.2), (10.3, 14.9)]),
    )
    grid = _lattice((2, 9), (21, 28), 1.0)
    fine = _lattice((2, 9), (21, 28), 0.5)
    added = fine[(fine % 1).any(axis=1) & (_distance(fine, smelters).min(axis=1) <= 1.0)]
    along = np.concatenate([_along(road, 1.0) for road in roads])
    places = {"smelting grid": grid, "near smelter": added, "mining road": along}
    area = np.repeat(list(places), [len(place) for place in places.values()])
    points = pd.DataFrame(np.concatenate(list(places.values())), columns=["easting_km", "northing_km"])
    return SamplingMap(points.assign(area=area), smelters, mines, roads)


def simulate_gejiu(n_samples=N_SAMPLES, random_state=0, unknown_share=UNKNOWN_SHARE):
    """Soils of Gejiu, scanned by an ASD FieldSpec 3: SpectralDataset of reflectance, 400 to 2499 nm in steps of 1 nm.

    n_samples : with another number than 130, points of the map are left out or visited again
    unknown_share : share of the variance of the lead score that no spectrum can show, 0 to 1
    `properties` are pb_mg_kg, then those of `draw_soils`; `samples` holds easting_km, northing_km and area.
    Lead goes by rank among the samples drawn, so a sample depends on the others. Raises ValueError for fewer than one
    sample or a share outside 0 to 1. Source: gejiu paper, sections 2.1 and 3.1.
    """
    if n_samples < 1 or not 0 <= unknown_share <= 1:
        raise ValueError(f"{n_samples} samples, unknown share {unknown_share}: give at least 1, and a share of 0 to 1")
    generator, places = np.random.default_rng(random_state), sampling_map()
    points = places.points.iloc[np.arange(n_samples) * len(places.points) // n_samples].reset_index(drop=True)
    coordinates = points[["easting_km", "northing_km"]].to_numpy()
    from_smelter, from_mine = (_distance(coordinates, part).min(axis=1) for part in (places.smelters, places.mines))
    soils = draw_soils(n_samples, GEJIU, generator)
    soils = replace(soils, properties=soils.properties.assign(ph=published_ph(soils.properties["ph"])))
    pyrite = PYRITE_AT_MINE * np.exp(-from_mine / MINE_REACH_KM + 0.5 * generator.standard_normal(n_samples))
    soils = oxidise_sulphides(soils, pyrite)
    # Above a background, lead comes with the ore, which pyrite indicates, and with what falls out of the smelters'
    # plumes, which no spectrum shows.
    ore = _standardised(np.log(0.05 + pyrite / PYRITE_AT_MINE))
    plume = _standardised(np.log(0.05 + np.exp(-from_smelter / SMELTER_REACH_KM)))
    shown = _retention(soils.properties) + ORE_WEIGHT * ore
    unknown = plume + generator.standard_normal(n_samples)
    score = np.sqrt(1 - unknown_share) * _standardised(shown) + np.sqrt(unknown_share) * _standardised(unknown)
    spectra = scan(soils, ASD_FIELDSPEC_3, generator, district_variation(n_samples, generator))
    properties, samples = soils.properties.copy(), points.copy()
    properties.insert(0, "pb_mg_kg", _lead(score))
    samples.insert(0, "sample_id", [f"G{i:03d}" for i in range(1, n_samples + 1)])
    return scans_dataset(spectra, ASD_FIELDSPEC_3, properties, samples, "spectrakit simulate gejiu", random_state)


def oxidise_sulphides(soils, pyrite):
    """Soils after pyrite in them has oxidised: `Soils` with less calcite, lower pH and more goethite.

    pyrite : (n,) share of the dry mass before oxidation
    """
    composition = soils.composition.astype(np.float64)
    dissolved = np.minimum(CALCITE_PER_PYRITE * pyrite, composition["calcite"])
    acid = ACID_LEFT * ACID_PER_PYRITE * (pyrite - dissolved / CALCITE_PER_PYRITE)
    composition["calcite"] -= dissolved
    composition["goethite"] += GOETHITE_PER_PYRITE * pyrite
    dry = composition.columns.drop("water")
    composition[dry] = composition[dry].div(composition[dry].sum(axis=1), axis=0)
    # The exchange surfaces buffer acid: cmol for one unit of pH.
    drop = acid / (2.0 + 0.15 * soils.properties["cec_cmol_kg"])
    above = np.maximum(soils.properties["ph"] - MIN_PH, 0.01)
    oxides = composition["hematite"] + composition["goethite"]
    properties = soils.properties.assign(
        ph=MIN_PH + above * np.exp(-drop / above),
        caco3_pct=soils.properties["caco3_pct"] * (composition["calcite"] / soils.composition["calcite"]).fillna(0.0),
        fe_oxides_pct=100 * oxides,
        hematite_pct=100 * composition["hematite"] / oxides,
    )
    return replace(soils, composition=composition.astype(np.float32), properties=properties)


def district_variation(n_soils, generator):
    """Constituents of soils of one district: `Variation`, most of its variance common to all of them."""
    # The district is the same for all seeds.
    common = draw_variation(1, np.random.default_rng(DISTRICT_SEED))
    parts = [(common, np.sqrt(1 - WITHIN_DISTRICT)), (draw_variation(n_soils, generator), np.sqrt(WITHIN_DISTRICT))]
    factors, changes = ("strength", "efficiency", "surface"), ("shift_nm", "log_width", "scattering_exponent")
    mixed = weighted(no_variation(1), parts, factors, changes)
    return Variation(**{name: values.astype(np.float32) for name, values in mixed.items()})


@cache
def lead_quantiles():
    """Published distribution of lead as 130 ascending contents, mg/kg, from `tools/make/calibrate_visnir.py lead`."""
    return pd.read_csv(data_path("soils", "gejiu_lead.csv"))["pb_mg_kg"].to_numpy()


def _lead(score):
    """Lead (mg/kg) by rank of a score (n,): one list of quantiles, interpolated for other numbers than 130."""
    quantiles, rank = np.log(lead_quantiles()), score.argsort().argsort()
    return np.exp(np.interp((rank + 0.5) / len(score), (np.arange(len(quantiles)) + 0.5) / len(quantiles), quantiles))


def _retention(properties):
    """Retention of lead by soils, (n,); contents that spread over orders of magnitude count by their logarithm."""
    logarithms = {name: np.log(properties[name]) for name in ("fe_oxides_pct", "soc_pct")}
    terms = properties[list(RETENTION)].assign(**logarithms)
    return sum(weight * _standardised(terms[name].to_numpy()) for name, weight in RETENTION.items())


def _standardised(values):
    return (values - values.mean()) / (values.std() or 1.0)


def _lattice(easting, northing, step):
    """Points (n, 2) of a square lattice from the first to the last kilometre in both directions."""
    east, north = (np.arange(low, high + step / 2, step) for low, high in (easting, northing))
    return np.stack(np.meshgrid(east, north), axis=-1).reshape(-1, 2)


def _along(line, step):
    """Points (n, 2) every `step` km along a line (m, 2), the first of them that far from its start."""
    lengths = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(line, axis=0).T))])
    at = np.arange(step, lengths[-1], step)
    return np.column_stack([np.interp(at, lengths, line[:, i]) for i in range(2)])


def _distance(points, sources):
    """Distances (n_points, n_sources), km."""
    return np.hypot(*(points[:, None] - sources).transpose(2, 0, 1))

"""A global mid-infrared library: 56,787 samples of twelve laboratories, their analyses and scans, and a ring trial.

A programme is a laboratory's sampling of one region. Its sites are profiles of the pedological model, divided by depth:
organic carbon falls with depth, clay and carbonate rise. The programme decides whether carbon is measured by combustion
or organic matter by ignition, so values are not missing at random.
"""

from dataclasses import dataclass, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pandas as pd
import yaml
from scipy.special import expit
from sklearn.cluster import KMeans

from spectrakit.contents import MAX_CARBON, MAX_ORGANIC_MATTER
from spectrakit.resources import data_path
from spectrakit.simulate.library.laboratory import laboratories
from spectrakit.simulate.soils import (
    ORGANIC_MATTER_PER_CARBON,
    Region,
    Soils,
    carbonate_control,
    carbonate_ph,
    draw_infrared_variation,
    draw_soils,
    held_water,
    infrared_composition,
)
from spectrakit.spectra import SpectralDataset, library_axis

N_SAMPLES, N_STANDARDS = 56_787, 60
# Soils of each programme from which the standards of the ring trial are chosen.
_POOL = 60
CARBON_IN_CALCITE = 0.12
# How many samples, about, share one stream of random numbers for their soils and for their scans: each such block is
# drawn whole, so that fewer samples are the first of more.
_BLOCK, _SCANS = 1024, 64
# A library takes samples from all programmes in equal numbers up to this one.
_MIN_SAMPLES = 20
# Constituents that move down with clay.
_MOVING = ["kaolinite", "smectite", "illite", "chlorite", "gibbsite", "hematite", "goethite"]
# Organic matter divided by organic carbon: mean, standard deviation, limits (Pribyl 2010).
_FACTOR = (ORGANIC_MATTER_PER_CARBON, 0.08, 1.724, 2.3)
# Depth (cm) over which organic carbon falls to 1/e: the first 20 cm then have 0.33, 0.42 and 0.50 of the first metre's
# for 70, 42 and 30 cm, as Jobbagy and Jackson (2000) report for shrubland, grassland and forest. A share of it stays at
# any depth. Litter stays nearer to the surface (assumption).
_DECLINE_CM, _DECLINE_SPREAD, _STABLE_SHARE, _LITTER_CM = 42.0, 0.35, 0.06, 25.0
# Mass shares of the water in minerals' lattices (ideal formulae), lost in part on ignition: by hydroxides below 350
# degrees C, by clays around 500, so that clay is counted as organic matter (Jensen et al. 2018).
_LATTICE_WATER = {"kaolinite": 0.140, "smectite": 0.05, "illite": 0.045, "chlorite": 0.125}
_HYDROXIDE_WATER = {"gibbsite": 0.346, "goethite": 0.101}


@dataclass(frozen=True)
class Programme:
    """A laboratory's sampling of one region.

    samples : its number in the full library; box : south, north, west, east in degrees
    layers : limits in cm of the layers sampled at every site, () for genetic horizons
    ignites : whether it measures organic matter by ignition instead of carbon by combustion
    checked : both are measured of every so many samples, 0 for never
    carbon : factor on the organic carbon of its mineral soils
    organic_layers, peatlands : shares of sites; carbonate : share of mass in subsoils where pH allows it
    """

    laboratory: str
    region: Region
    samples: int
    box: tuple
    layers: tuple
    ignites: bool
    checked: int
    carbon: float
    organic_layers: float
    peatlands: float
    carbonate: float

    @property
    def name(self):
        """Laboratory and region."""
        return f"{self.laboratory}-{self.region.name}"


@cache
def programmes():
    """The programmes of data/soils/mir_programmes.yml, the national laboratory's first: tuple of `Programme`."""
    entries = yaml.safe_load(data_path("soils", "mir_programmes.yml").read_text(encoding="utf-8"))
    return tuple(_programme(laboratory, dict(entry)) for laboratory, regions in entries.items() for entry in regions)


def _programme(laboratory, entry):
    region = Region(
        entry.pop("region"),
        **{name: tuple(entry.pop(name)) for name in ("temperature_c", "humidity", "age", "land_uses")},
        parents=entry.pop("parents"),
    )
    layers, measures = entry.pop("layers"), entry.pop("measures")
    return Programme(
        laboratory=laboratory,
        region=region,
        box=tuple(entry.pop("box")),
        layers=() if layers == "horizons" else tuple(layers),
        ignites=measures == "ignition",
        checked=entry.pop("checked", 0),
        **entry,
    )


def allotment(n_samples):
    """Number of samples of each programme in a library of `n_samples`: (n_programmes,).

    In proportion to the full library, after the first 20 of each. They are allotted one by one (the method of
    Sainte-Lague), so that no programme has fewer in a larger library. Raises ValueError for fewer than one sample.
    """
    if n_samples < 1:
        raise ValueError(f"{n_samples} samples: give at least 1")
    sizes = np.array([programme.samples for programme in programmes()])
    seats = [np.arange(int(size * n_samples / sizes.sum()) + _MIN_SAMPLES + 1) for size in sizes]
    turn = [
        np.where(k < _MIN_SAMPLES, k / _MIN_SAMPLES - 1, (k + 0.5) / size) for k, size in zip(seats, sizes, strict=True)
    ]
    owner = np.repeat(np.arange(len(sizes)), [len(k) for k in seats])
    chosen = np.argsort(np.concatenate(turn), kind="stable")[:n_samples]
    return np.bincount(owner[chosen], minlength=len(sizes))


# --- soils of a programme ------------------------------------------------------------------------------------


def cut_at_depth(programme, n_sites, generator):
    """Horizons of `n_sites` sites from above: a namespace of (n,) arrays.

    site : place of the site, from 0; top, middle, bottom : depths in cm; organic : whether it is plant remains
    """
    is_peat = generator.random(n_sites) < programme.peatlands
    peat_cm = np.where(is_peat, 80 * np.exp(0.6 * generator.standard_normal(n_sites)), 0.0)
    layer_cm = np.where(generator.random(n_sites) < programme.organic_layers, generator.integers(2, 13, n_sites), 0)
    if programme.layers:
        limits = np.tile(np.array(programme.layers, float), (n_sites, 1))
        kept = np.ones((n_sites, limits.shape[1] - 1), bool)
    else:
        number = generator.choice(6, n_sites, p=[0.06, 0.10, 0.20, 0.26, 0.24, 0.14]) + 1
        thickness = (15 + 6 * np.arange(6)) * np.exp(0.35 * generator.standard_normal((n_sites, 6)))
        thickness = np.maximum(np.rint(thickness), 3)
        # A forest floor lies above the first mineral horizon.
        floor = layer_cm > 0
        thickness[floor, 1:], thickness[floor, 0] = thickness[floor, :-1], layer_cm[floor]
        limits = np.minimum(np.column_stack([np.zeros(n_sites), thickness.cumsum(axis=1)]), 200)
        kept = (np.arange(6) < number[:, None]) & (limits[:, :-1] < 195)
    site, place = np.nonzero(kept)
    top, bottom = limits[site, place], limits[site, place + 1]
    middle = (top + bottom) / 2
    organic = (bottom <= layer_cm[site]) | (middle < peat_cm[site])
    return SimpleNamespace(site=site, top=top, middle=middle, bottom=bottom, organic=organic)


def at_depth(topsoils, horizons, programme, generator):
    """The soils of sites at the depths of their horizons: `Soils` and organic carbon (share of mass), by horizon."""
    site = horizons.site
    top = topsoils.composition.iloc[site].reset_index(drop=True).astype(np.float64)
    known = topsoils.properties.iloc[site].reset_index(drop=True)
    organic, litter_share = _organic_matter(top, horizons, programme, generator)
    mineral, clay_gain = _minerals(top, known, horizons, programme, generator)
    composition = mineral.mul(1 - organic, axis=0)
    composition = composition.assign(organic_matter=organic * (1 - litter_share), litter=organic * litter_share)
    held = [held_water(part, part["organic_matter"] + part["litter"]) for part in (top, composition)]
    composition["water"] = top["water"] * held[1] / held[0]
    soils = Soils(
        composition=composition[list(top)].astype(np.float32),
        properties=_deep_properties(known, composition, clay_gain, horizons, generator),
        grain_um=topsoils.grain_um[site],
        region=topsoils.region,
    )
    mean, spread, *limits = _FACTOR
    return soils, organic / np.clip(generator.normal(mean, spread, len(site)), *limits)


def _organic_matter(top, horizons, programme, generator):
    """Organic matter (share of mass) of horizons and the share of litter in it: two arrays (n,).

    It falls exponentially to a constant share (Jobbagy and Jackson 2000). Organic layers are plant remains.
    """
    n = len(top)
    topsoil = top["organic_matter"] + top["litter"]
    fallen = topsoil * programme.carbon * _decline(horizons, generator)
    mineral = np.minimum(fallen * np.exp(0.2 * generator.standard_normal(n)), 0.9)
    organic = np.where(horizons.organic, 0.30 + 0.68 * generator.beta(2.2, 1.4, n), mineral)
    mineral_litter = top["litter"] / topsoil * np.exp(-horizons.middle / _LITTER_CM)
    return organic, np.where(horizons.organic, generator.uniform(0.2, 0.8, n), mineral_litter)


def _minerals(top, known, horizons, programme, generator):
    """Mineral part of horizons, adding up to 1: DataFrame; and their clay divided by the topsoil's (n,).

    Clay moves down with iron oxides; carbonate accumulates below the depth to which rain has leached it.
    """
    site, middle = horizons.site, horizons.middle
    moved = generator.normal(0.30, 0.35, site[-1] + 1)[site] * (1 - np.exp(-middle / 30)) * np.exp(-middle / 250)
    clay_gain = np.minimum(
        np.exp(moved + 0.10 * generator.standard_normal(len(site))), 90 / known["clay_pct"].to_numpy()
    )
    calcite = _subsoil_carbonate(known, horizons, programme, generator)
    mineral = top.drop(columns=["organic_matter", "litter", "water", "quartz"])
    mineral = mineral.div(1 - top["organic_matter"] - top["litter"], axis=0)
    mineral = mineral.assign(calcite=np.maximum(mineral["calcite"], calcite))
    mineral[_MOVING] = mineral[_MOVING].mul(clay_gain, axis=0)
    mineral = mineral.div(np.maximum(mineral.sum(axis=1), 1.0), axis=0)
    return mineral.assign(quartz=np.maximum(1 - mineral.sum(axis=1), 0)), clay_gain


def _decline(horizons, generator):
    """Organic carbon of horizons divided by that of the first 20 cm, (n,)."""
    length = _DECLINE_CM * np.exp(_DECLINE_SPREAD * generator.standard_normal(horizons.site[-1] + 1))[horizons.site]
    fresh = (1 - _STABLE_SHARE) * np.exp(-horizons.middle / length) + _STABLE_SHARE
    return fresh / ((1 - _STABLE_SHARE) * length / 20 * (1 - np.exp(-20 / length)) + _STABLE_SHARE)


def _subsoil_carbonate(known, horizons, programme, generator):
    """Share of carbonate accumulated in horizons, (n,): below the leached depth, where the topsoil is not acid."""
    scatter = np.exp([[0.6], [0.5]] * generator.standard_normal((2, horizons.site[-1] + 1)))[:, horizons.site]
    stock, front = programme.carbonate * scatter[0], 60 * scatter[1]
    return np.minimum(stock, 0.8) * expit((horizons.middle - front) / 12) * expit(3 * (known["ph"] - 6.4))


def _deep_properties(known, composition, clay_gain, horizons, generator):
    """Reported properties of horizons other than carbon and organic matter: DataFrame."""
    n = len(known)
    calcite = 100 * composition["calcite"]
    clay = known["clay_pct"] * clay_gain
    # Bases last longer below; forest floors and peat are acid.
    deeper = 0.4 * (1 - np.exp(-horizons.middle / 60))
    acid = known["ph"] + deeper - 0.8 * horizons.organic + 0.15 * generator.standard_normal(n)
    buffered = carbonate_ph(calcite) + 0.2 * generator.standard_normal(n)
    share = carbonate_control(calcite) * ~horizons.organic
    return pd.DataFrame(
        {
            "ph": np.maximum(share * np.maximum(buffered, known["ph"]) + (1 - share) * acid, 3.0),
            "clay_pct": clay,
            "sand_pct": np.minimum(known["sand_pct"] / (100 - known["clay_pct"]), 1) * (100 - clay),
            "caco3_pct": calcite * np.exp(0.05 * generator.standard_normal(n)),
            "fe_oxides_pct": 100 * (composition["hematite"] + composition["goethite"]),
            "kaolinite_pct": known["kaolinite_pct"],
        }
    )


def analysed(soils, carbon, laboratory, generator):
    """Carbon by combustion and organic matter by ignition, as a laboratory measures them: c_g_kg, oc_g_kg, om_g_kg.

    carbon : (n,) organic carbon, share of mass. The reported organic carbon is the total minus the carbonate's.
    A further property draws its scatter from `generator.spawn(1)[0]`: the places of samples, on which the study's
    splits rest, come from `generator` after this.
    """
    composition, n = soils.composition.astype(np.float64), len(soils)
    scatter = generator.standard_normal((4, n))
    total = 1000 * (carbon + CARBON_IN_CALCITE * composition["calcite"]) * (1 + 0.02 * scatter[0]) + 0.3 * scatter[1]
    total = np.clip(total, 0.1, MAX_CARBON)
    inorganic = 10 * CARBON_IN_CALCITE * soils.properties["caco3_pct"]
    lattice = sum(share * composition[name] for name, share in _LATTICE_WATER.items())
    lattice *= expit((laboratory.ignition_c - 500) / 35)
    lattice += sum(share * composition[name] for name, share in _HYDROXIDE_WATER.items())
    lost = 1000 * (composition["organic_matter"] + composition["litter"] + lattice)
    lost = lost * (1 + 0.03 * scatter[2]) + 1.0 * scatter[3]
    return {
        "c_g_kg": total,
        "oc_g_kg": np.maximum(total - inorganic, 0),
        "om_g_kg": np.clip(lost, 0.5, MAX_ORGANIC_MATTER),
    }


# --- the library ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Block:
    """All samples of a programme whose soils share a stream of random numbers.

    number : (n,) place of each sample in its programme, from 1; scans : seed of the streams of their scans
    properties : complete, with values that the laboratory did not measure
    """

    programme: Programme
    soils: Soils
    number: np.ndarray
    samples: pd.DataFrame
    properties: pd.DataFrame
    scans: np.random.SeedSequence

    def measured(self):
        """The properties that the programme measures; the others are NaN."""
        both = self.number % self.programme.checked == 0 if self.programme.checked else np.zeros(len(self.soils), bool)
        left_out = ["c_g_kg", "oc_g_kg"] if self.programme.ignites else ["om_g_kg"]
        return self.properties.assign(**{name: self.properties[name].where(both) for name in left_out})


def _blocks(place, count, random_state, branch=0):
    """Yield blocks with the first `count` samples of the programme at a place of `programmes()`."""
    programme, first, block = programmes()[place], 1, 0
    n_sites = _BLOCK // (len(programme.layers) - 1 if programme.layers else 4)
    while first <= count:
        streams = np.random.SeedSequence(random_state, spawn_key=(branch, place, block)).spawn(2)
        generator = np.random.default_rng(streams[0])
        horizons = cut_at_depth(programme, n_sites, generator)
        soils, carbon = at_depth(draw_soils(n_sites, programme.region, generator), horizons, programme, generator)
        analyses = analysed(soils, carbon, laboratories()[programme.laboratory], generator)
        number = first + np.arange(len(soils))
        yield _Block(
            programme=programme,
            soils=soils,
            number=number,
            samples=_samples(programme, number, block * n_sites, n_sites, horizons, generator),
            properties=pd.DataFrame(analyses).join(soils.properties),
            scans=streams[1],
        )
        first, block = first + len(soils), block + 1


def _samples(programme, number, first_site, n_sites, horizons, generator):
    """Names, places and depths of samples: DataFrame."""
    south, north, west, east = programme.box
    places = generator.uniform((south, west), (north, east), (n_sites, 2)).round(4)[horizons.site]
    return pd.DataFrame(
        {
            "sample_id": [f"{programme.name}-{i:05d}" for i in number],
            "laboratory": programme.laboratory,
            "site": [f"{programme.name}-site-{i:05d}" for i in first_site + horizons.site + 1],
            "region": programme.region.name,
            "depth_top_cm": horizons.top,
            "depth_bottom_cm": horizons.bottom,
            "latitude": places[:, 0],
            "longitude": places[:, 1],
        }
    )


def library_properties(n_samples=N_SAMPLES, random_state=0, complete=False):
    """Samples and properties of the library without its spectra, row by row as in `simulate_mir`: two DataFrames.

    complete : with values that the laboratories did not measure
    Raises ValueError for fewer than one sample.
    """
    parts = [
        (block.samples.iloc[:kept], (block.properties if complete else block.measured()).iloc[:kept])
        for block, kept in _library_blocks(n_samples, random_state)
    ]
    return tuple(pd.concat(tables, ignore_index=True) for tables in zip(*parts, strict=True))


def _library_blocks(n_samples, random_state):
    """Yield all blocks of a library, and how many samples of each belong to the library."""
    for place, count in enumerate(allotment(n_samples)):
        for block in _blocks(place, count, random_state):
            yield block, min(len(block.soils), count - block.number[0] + 1)


def mir_blocks(n_samples=N_SAMPLES, random_state=0, progress=None):
    """The library a block at a time: iterator of SpectralDataset, each of one laboratory and about a thousand samples.

    progress : called with the number of samples done and to do
    Every sample depends on its place in its programme and `random_state` alone: a larger library has all samples of a
    smaller one. Raises ValueError for fewer than one sample.
    """
    done = 0
    for block, kept in _library_blocks(n_samples, random_state):
        spectra = []
        for scanned in _scans(block, kept):
            spectra.append(scanned)
            done += len(scanned)
            if progress is not None:
                progress(done, n_samples)
        yield _dataset(np.concatenate(spectra), block.measured()[:kept], block.samples[:kept], random_state)


def _scans(block, kept):
    """Spectra of the first samples of a block: iterator of float32 (n, 1700) that share a stream of random numbers."""
    laboratory, starts = laboratories()[block.programme.laboratory], range(0, kept, _SCANS)
    for start, stream in zip(starts, block.scans.spawn(len(starts)), strict=True):
        rows = np.arange(start, min(start + _SCANS, len(block.soils)))
        soils, generator = _some(block.soils, rows), np.random.default_rng(stream)
        composition = infrared_composition(soils, generator)
        variation = draw_infrared_variation(len(soils), generator)
        yield laboratory.scan(composition, soils.grain_um, variation, generator)[: kept - start]


def _some(soils, rows):
    """The soils at some rows, as `Soils`."""
    return replace(
        soils,
        composition=soils.composition.iloc[rows].reset_index(drop=True),
        properties=soils.properties.iloc[rows].reset_index(drop=True),
        grain_um=soils.grain_um[rows],
    )


def simulate_mir(n_samples=N_SAMPLES, random_state=0, progress=None):
    """The library as one SpectralDataset of absorbance, 600 to 3998 cm-1 in steps of 2; see `mir_blocks`.

    `properties`: c_g_kg (total carbon), oc_g_kg (organic) and om_g_kg (organic matter by ignition), NaN where the
    laboratory did not measure them; ph, clay_pct, sand_pct, caco3_pct, fe_oxides_pct, kaolinite_pct (of clay minerals).
    `samples`: sample_id, laboratory, site, region, depth_top_cm, depth_bottom_cm, latitude, longitude.
    Raises ValueError for fewer than one sample.
    Source: mir paper, abstract, for the counts; data/README.md for what else was calibrated.
    """
    spectra = np.empty((max(n_samples, 0), len(library_axis())), np.float32)
    tables, start = [], 0
    for block in mir_blocks(n_samples, random_state, progress):
        spectra[start : start + len(block)] = block.spectra
        tables.append((block.properties, block.samples))
        start += len(block)
    properties, samples = (pd.concat(parts, ignore_index=True) for parts in zip(*tables, strict=True))
    return _dataset(spectra, properties, samples, random_state)


def _dataset(spectra, properties, samples, seed, source="spectrakit simulate mir"):
    return SpectralDataset(
        spectra=spectra,
        axis=library_axis(),
        axis_unit="cm-1",
        signal="absorbance",
        properties=properties,
        samples=samples,
        provenance={
            "origin": "simulated",
            "source": source,
            "seed": seed,
            "instrument": f"spectrometers of {len(laboratories())} laboratories",
        },
    )


def ring_trial(random_state=0):
    """60 standard soils, scanned by the spectrometers of all laboratories: SpectralDataset of 60 rows for each.

    `samples`: sample_id ('R01' ... 'R60', in this order for every laboratory) and laboratory; `properties`: those of
    the standards, the same for all and complete. The standards represent the soils of all programmes and belong to no
    library: the middles of 60 clusters (k-means) of composition. Each laboratory prepares them by itself.
    """
    pool = [next(_blocks(place, 1, random_state, branch=1)) for place in range(len(programmes()))]
    soils = Soils(
        composition=pd.concat([block.soils.composition[:_POOL] for block in pool], ignore_index=True),
        properties=pd.concat([block.properties[:_POOL] for block in pool], ignore_index=True),
        grain_um=np.concatenate([block.soils.grain_um[:_POOL] for block in pool]),
        region="all programmes",
    )
    standards = _some(soils, _spread(soils.composition, N_STANDARDS))
    generator = np.random.default_rng(np.random.SeedSequence(random_state, spawn_key=(2,)))
    composition = infrared_composition(standards, generator)
    variation = draw_infrared_variation(N_STANDARDS, generator)
    scanners = laboratories().values()
    spectra = [scanner.scan(composition, standards.grain_um, variation, generator) for scanner in scanners]
    names = [f"R{i:02d}" for i in range(1, N_STANDARDS + 1)]
    return _dataset(
        np.concatenate(spectra),
        pd.concat([standards.properties] * len(spectra), ignore_index=True),
        pd.DataFrame({"sample_id": names * len(spectra), "laboratory": np.repeat(list(laboratories()), N_STANDARDS)}),
        random_state,
        source="ring trial of the simulated mid-infrared library",
    )


def _spread(composition, count):
    """Rows of representative soils, ascending: one for each of `count` clusters."""
    # Of square roots (Hellinger distance), so that scarce constituents count beside abundant ones.
    places = np.sqrt(composition.to_numpy(np.float64))
    distance = KMeans(count, n_init=1, random_state=0).fit(places).transform(places)
    # Each soil counts for its nearest centre only, so that none is chosen twice.
    in_cluster = np.where(distance == distance.min(axis=1, keepdims=True), distance, np.inf)
    return np.sort(in_cluster.argmin(axis=0))

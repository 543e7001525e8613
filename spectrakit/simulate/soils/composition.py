"""Composition and properties of soils, drawn from the conditions of a region.

A pedological model in the sense of Jenny's factors: climate, parent material, age and land use determine texture, clay
minerals, iron oxides, carbonate, organic matter, water and salts, and these determine pH. Every step has scatter.
The directions are textbook knowledge (Schaetzl and Anderson 2005); the sizes are set so that topsoils of a region have
the ranges that surveys report (for Europe: Toth et al. 2013, Panagos et al. 2022).
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import expit, logit, softmax

from spectrakit.simulate.soils.reflectance import CONSTITUENTS

# Parent material: clay (share of the fine earth), sand (share of what is not clay), carbonate (share), free iron oxides
# (share of clay), bases (supply of calcium and magnesium, relative), chlorite and ferrous silicates (relative supply).
PARENTS = pd.DataFrame.from_dict(
    {
        "limestone": (0.38, 0.25, 0.30, 0.08, 1.0, 0.2, 0.0),
        "marl": (0.33, 0.25, 0.28, 0.045, 1.2, 0.5, 0.0),
        "loess": (0.20, 0.15, 0.08, 0.05, 0.3, 0.4, 0.2),
        "sand": (0.07, 0.85, 0.0005, 0.08, -1.0, 0.1, 0.1),
        "sandstone": (0.14, 0.70, 0.0005, 0.10, -0.7, 0.2, 0.1),
        "granite": (0.16, 0.65, 0.000, 0.08, -0.5, 0.4, 0.3),
        "schist": (0.27, 0.40, 0.0005, 0.09, -0.2, 1.5, 0.5),
        "mafic": (0.36, 0.35, 0.0005, 0.18, 0.7, 0.8, 1.5),
        "alluvium": (0.28, 0.35, 0.06, 0.06, 0.4, 0.6, 0.3),
        "peat": (0.10, 0.50, 0.0005, 0.06, -0.4, 0.2, 0.1),
    },
    orient="index",
    columns=["clay", "sand", "carbonate", "iron", "bases", "chlorite", "ferrous"],
)
LAND_USES = ("cropland", "grassland", "woodland")
# Mass of organic matter divided by that of its carbon (Pribyl 2010).
ORGANIC_MATTER_PER_CARBON = 1.9
# By land use: shift of ln organic carbon, of base saturation (liming, litter acids), share of litter in organic matter.
_LAND_USE = np.array([(-0.35, 0.6, 0.05), (0.30, 0.1, 0.10), (0.70, -0.9, 0.20)])


@dataclass(frozen=True)
class Region:
    """State factors of a region, as distributions.

    temperature_c : mean and standard deviation of the mean annual temperature
    humidity : median of precipitation over potential evapotranspiration, and standard deviation of its logarithm
    age : mean and standard deviation of the logarithm of weathering time, 0 for soils since the last ice age
    parents : parent material to relative frequency; land_uses : relative frequencies in the order of LAND_USES
    """

    name: str
    temperature_c: tuple
    humidity: tuple
    age: tuple
    parents: dict
    land_uses: tuple

    def __post_init__(self):
        unknown = set(self.parents) - set(PARENTS.index)
        if unknown:
            raise ValueError(f"region {self.name}: no parent material {sorted(unknown)[0]!r}")


EUROPE = Region(
    "Europe",
    temperature_c=(11.0, 4.0),
    humidity=(1.1, 0.42),
    age=(0.0, 0.5),
    parents={
        **{"limestone": 0.12, "marl": 0.14, "loess": 0.14, "sand": 0.12, "sandstone": 0.09, "granite": 0.15},
        **{"schist": 0.11, "mafic": 0.03, "alluvium": 0.08, "peat": 0.03},
    },
    land_uses=(0.45, 0.27, 0.28),
)
# Every climate and parent material, tropics and deserts included: for training networks for soils of any origin.
WORLD = Region(
    "world",
    temperature_c=(16.0, 8.0),
    humidity=(0.9, 0.7),
    age=(0.8, 1.0),
    parents={
        **{"limestone": 0.09, "marl": 0.08, "loess": 0.12, "sand": 0.10, "sandstone": 0.12, "granite": 0.14},
        **{"schist": 0.10, "mafic": 0.11, "alluvium": 0.13, "peat": 0.01},
    },
    land_uses=(0.55, 0.25, 0.20),
)


def draw_locality(random_state=0):
    """A region of the size of a local survey: one climate, one to three parent materials.

    random_state : an int seed or a numpy Generator
    Returns a Region anywhere in the world, in which climate and age vary at most half as much as over the world.
    """
    generator = np.random.default_rng(random_state)
    parents = generator.choice(PARENTS.index.to_numpy(str), generator.integers(1, 4), replace=False)
    return Region(
        "locality",
        temperature_c=(generator.normal(15, 8), generator.uniform(1, 3)),
        humidity=(np.exp(generator.normal(0, 0.6)), generator.uniform(0.1, 0.35)),
        age=(generator.normal(0.7, 1.0), generator.uniform(0.1, 0.5)),
        parents={str(parent): generator.uniform(0.1, 1.1) for parent in parents},
        land_uses=tuple(generator.dirichlet(np.ones(len(LAND_USES)))),
    )


@dataclass(frozen=True)
class Soils:
    """Soils, one row each.

    composition : DataFrame (n, 15) of mass fractions, columns CONSTITUENTS; all except water add up to 1
    properties : DataFrame with ph (in water), soc_pct, clay_pct, sand_pct, caco3_pct, cec_cmol_kg, fe_oxides_pct,
        kaolinite_pct (of clay minerals), hematite_pct (of iron oxides)
    grain_um : (n,) effective diameter of the grains that scatter light in the dried and sieved sample
    region : name of the region
    """

    composition: pd.DataFrame
    properties: pd.DataFrame
    grain_um: np.ndarray
    region: str

    def __len__(self):
        return len(self.composition)


def draw_soils(n_soils, region=EUROPE, random_state=0):
    """Draw the composition and the properties of topsoils of a region: `Soils`.

    random_state : an int seed or a numpy Generator
    """
    generator = np.random.default_rng(random_state)
    factors = _draw_factors(n_soils, region, generator)
    texture = _texture(factors, generator)
    clays = _clay_minerals(factors, generator)
    carbonate = _carbonate(factors, generator)
    carbon = _organic_carbon(factors, texture, generator)
    iron, hematite_share = _iron_oxides(factors, texture, carbon, generator)
    composition = _compose(factors, texture, clays, carbonate, carbon, iron, hematite_share, generator)
    return Soils(
        composition=composition,
        properties=_properties(factors, texture, clays, composition, carbon, generator),
        grain_um=_grain_size(texture, composition, generator),
        region=region.name,
    )


def _draw_factors(n, region, generator):
    """State factors: climate, weathering, parent material and land use of each soil, as a DataFrame."""
    names = list(region.parents)
    weights = np.array([region.parents[name] for name in names])
    parent = generator.choice(names, n, p=weights / weights.sum())
    use = generator.choice(len(LAND_USES), n, p=region.land_uses)
    temperature = generator.normal(*region.temperature_c, n)
    humidity = np.log(region.humidity[0]) + region.humidity[1] * generator.standard_normal(n)
    age = generator.normal(*region.age, n)
    # Weathering is faster where it is warm and wet; 0 is a young soil of the temperate zone.
    weathering = 0.06 * (temperature - 10) + 0.7 * humidity + 0.6 * age + 0.35 * generator.standard_normal(n)
    factors = pd.DataFrame({"use": use, "temperature": temperature, "humidity": humidity, "weathering": weathering})
    return factors.join(PARENTS.loc[parent].reset_index(drop=True)).assign(parent=parent)


def _texture(factors, generator):
    """Clay and sand, shares of the fine earth: DataFrame."""
    scatter = generator.standard_normal((2, len(factors)))
    clay = expit(logit(factors["clay"]) + 0.25 * factors["weathering"] + 0.55 * scatter[0])
    sand = expit(logit(factors["sand"]) + 0.7 * scatter[1]) * (1 - clay)
    return pd.DataFrame({"clay": clay, "sand": sand})


def _clay_minerals(factors, generator):
    """Shares of kaolinite, smectite, illite, chlorite and gibbsite in the clay minerals: DataFrame."""
    weathering, dry = factors["weathering"], -factors["humidity"]
    scores = np.column_stack(
        [
            -0.6 + 1.3 * weathering,
            -0.9 + 0.9 * dry + 0.7 * factors["bases"] - 0.2 * weathering,
            0.4 - 0.5 * weathering,
            -2.2 + 0.9 * factors["chlorite"] - 0.9 * weathering,
            -5.5 + 2.0 * weathering,
        ]
    )
    shares = softmax(scores + 0.35 * generator.standard_normal(scores.shape), axis=1)
    return pd.DataFrame(shares, columns=["kaolinite", "smectite", "illite", "chlorite", "gibbsite"])


def _carbonate(factors, generator):
    """Carbonate in the topsoil after leaching by water, share of the fine earth: (n,)."""
    scatter = generator.standard_normal((2, len(factors)))
    stock = factors["carbonate"] * np.exp(0.6 * scatter[0])
    # A topsoil keeps most of its carbonate or loses nearly all.
    kept = expit(4.0 * (1.1 - 2.6 * factors["humidity"] - 0.8 * factors["weathering"] + scatter[1]))
    return np.minimum(stock * kept, 0.85).to_numpy()


def _organic_carbon(factors, texture, generator):
    """Organic carbon, share of mass: (n,). Cold, wet, clayey and wooded soils have more."""
    n = len(factors)
    log_carbon = (
        np.log(0.015)
        - 0.03 * (factors["temperature"] - 11)
        + 0.7 * factors["humidity"]
        + 1.2 * (texture["clay"] - 0.25)
        + _LAND_USE[factors["use"], 0]
        + 0.4 * generator.standard_normal(n)
    )
    peat = np.log(0.12) + 0.6 * generator.standard_normal(n)
    carbon = np.exp(np.where(factors["parent"] == "peat", np.maximum(peat, log_carbon), log_carbon))
    return np.minimum(carbon, 0.5)


def _iron_oxides(factors, texture, carbon, generator):
    """Iron oxides (share of the fine earth) and the share of hematite in them: two arrays (n,).

    Hematite forms where it is warm and dry and organic matter does not complex the iron (Schwertmann 1985).
    """
    scatter = generator.standard_normal((2, len(factors)))
    iron = factors["iron"] * texture["clay"] * np.exp(0.2 * factors["weathering"] + 0.4 * scatter[0])
    score = -3.0 + 0.17 * (factors["temperature"] - 11) - 0.9 * factors["humidity"] - 12 * carbon
    score += 0.5 * np.maximum(factors["weathering"], 0) + 0.9 * scatter[1]
    return np.minimum(iron, 0.3).to_numpy(), expit(score).to_numpy()


def _compose(factors, texture, clays, carbonate, carbon, iron, hematite_share, generator):
    """Mass fractions of all constituents of the air-dry soil: DataFrame (n, 15)."""
    n = len(factors)
    organic = np.minimum(ORGANIC_MATTER_PER_CARBON * carbon, 0.95)
    litter_share = np.minimum(_LAND_USE[factors["use"], 2] * np.exp(0.5 * generator.standard_normal(n)), 0.6)
    fine = texture["clay"] * (1 - carbonate) * 0.85
    parts = {name: fine * clays[name] for name in clays}
    parts |= {"hematite": iron * hematite_share, "goethite": iron * (1 - hematite_share), "calcite": carbonate}
    # Gypsum remains only where hardly any water passes; most soils have none.
    dry = expit(-4.5 - 4.0 * factors["humidity"])
    parts["gypsum"] = np.where(generator.random(n) < dry, generator.gamma(1.0, 0.03, n), 0.0)
    coarse = 1 - texture["clay"]
    fresh = np.exp(-0.4 * factors["weathering"] + 0.5 * generator.standard_normal(n))
    parts["ferrous_silicate"] = np.minimum(0.08 * factors["ferrous"] * coarse * fresh, 0.4)
    opaque = 0.012 + 0.012 * factors["ferrous"]
    parts["magnetite"] = np.minimum(opaque * np.exp(0.7 * generator.standard_normal(n)), 0.1)
    composition = pd.DataFrame(parts)
    # The rest is quartz and feldspar; where there is no rest, the sum is scaled to 1.
    mineral = composition.div(np.maximum(composition.sum(axis=1), 1.0), axis=0)
    mineral = mineral.assign(quartz=np.maximum(1 - mineral.sum(axis=1), 0)).mul(1 - organic, axis=0)
    mineral["organic_matter"] = organic * (1 - litter_share)
    mineral["litter"] = organic * litter_share
    # Air-dry soils hold water on their surfaces, more in a moist laboratory.
    water = held_water(mineral, organic) + 0.05 * iron
    mineral["water"] = water * np.exp(0.25 * generator.standard_normal(n))
    return mineral[list(CONSTITUENTS)].astype(np.float32)


def held_water(composition, organic):
    """Water on the dry surfaces of soils, except those of iron oxides, share of mass: (n,).

    composition : DataFrame with the shares of kaolinite, illite and smectite; organic : (n,) of organic matter
    """
    clays = 0.015 * composition["kaolinite"] + 0.03 * composition["illite"] + 0.12 * composition["smectite"]
    return 0.005 + clays + 0.10 * organic


def carbonate_ph(carbonate_pct):
    """PH to which carbonate (n,), % of mass, buffers a soil."""
    return 7.6 + 0.12 * np.log(np.maximum(carbonate_pct, 0.1))


def carbonate_control(carbonate_pct):
    """Share of a soil's pH that carbonate (n,), % of mass, determines: 0 to 1."""
    return 1 - np.exp(-carbonate_pct / 0.5)


def _properties(factors, texture, clays, composition, carbon, generator):
    """Properties of each soil as reported, with the scatter of laboratory analyses: DataFrame."""
    n = len(factors)
    scatter = np.exp(generator.standard_normal((4, n)) * np.array([0.05, 0.06, 0.05, 0.08])[:, None])
    exchange = {"smectite": 90.0, "illite": 25.0, "kaolinite": 6.0, "chlorite": 15.0, "organic_matter": 180.0}
    cec = sum(composition[name] * value for name, value in exchange.items())
    oxides = composition["hematite"] + composition["goethite"]
    return pd.DataFrame(
        {
            "ph": _ph(factors, composition, carbon, generator),
            "soc_pct": 100 * carbon * scatter[0],
            "clay_pct": np.minimum(100 * texture["clay"] * scatter[1], 95),
            "sand_pct": np.minimum(100 * texture["sand"] * scatter[1], 99),
            "caco3_pct": 100 * composition["calcite"] * scatter[2],
            "cec_cmol_kg": cec * scatter[3],
            "fe_oxides_pct": 100 * oxides,
            "kaolinite_pct": 100 * clays["kaolinite"],
            "hematite_pct": 100 * composition["hematite"] / oxides,
        }
    ).astype(np.float64)


def _ph(factors, composition, carbon, generator):
    """Return pH in water (n,): buffered by carbonate, or determined by base saturation and organic acids.

    With calcite it is 8.3 in water that stands in air and falls to 7.3 where there is 1 % of carbon dioxide.
    """
    n = len(factors)
    carbonate = 100 * composition["calcite"]
    supply = 0.2 + 1.0 * factors["bases"] - 1.6 * factors["humidity"] - 0.6 * factors["weathering"]
    supply += _LAND_USE[factors["use"], 1] - 12 * np.minimum(carbon, 0.15) + 0.3 * generator.standard_normal(n)
    acid = 3.9 + 3.3 * expit(supply)
    buffered = carbonate_ph(carbonate) + 0.26 * generator.standard_normal(n)
    is_sodic = generator.random(n) < expit(-5.0 - 3.0 * factors["humidity"])
    sodic = np.where(is_sodic, np.minimum(generator.gamma(2.0, 0.35, n), 2.0), 0.0)
    share = carbonate_control(carbonate)
    return share * buffered + (1 - share) * acid + sodic + 0.12 * generator.standard_normal(n)


def _grain_size(texture, composition, generator):
    """Effective diameter (um) of the grains that scatter; clay sticks together in aggregates of silt size."""
    silt = 1 - texture["clay"] - texture["sand"]
    log_size = texture["clay"] * np.log(25) + silt * np.log(30) + texture["sand"] * np.log(180)
    log_size -= 0.5 * np.minimum(composition["calcite"], 0.4)
    return np.exp(log_size + 0.25 * generator.standard_normal(len(texture))).to_numpy(np.float32)

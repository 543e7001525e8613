"""Keys to the exercises on the lead and mid-infrared studies: functions of what the page made."""

import numpy as np

from spectrakit.ledger import load_published
from spectrakit.models import ResNetConfig, initial_network
from spectrakit.simulate.library import laboratories
from spectrakit.simulate.soils import kubelka_munk
from spectrakit.teaching.exercises.keys import Key


def _grains(reflectance, times_size):
    ratio = (1 - reflectance) ** 2 / (2 * reflectance)
    factor = np.sqrt(times_size)
    scaled = (factor, 1 / factor, times_size, 1 / times_size)
    value, less, size, one = (float(kubelka_munk(ratio * by)) for by in scaled)
    return Key(
        value,
        0.002,
        "K/S = (1 - R)² / (2 R); change S, then solve for R",
        {
            "larger grains scatter less: S falls, so K/S rises": less,
            "S falls with the root of the size, not with the size": size,
            "larger grains scatter less, and by the root of the size": one,
            "that is K/S of the larger grains: now solve for R": ratio * factor,
            "the reflectance itself does not go with S; K/S does": reflectance / factor,
        },
    )


def _pooling(few):
    def count(pool):
        return sum(part.numel() for part in initial_network(ResNetConfig(pool=pool), 0, few).parameters())

    config = ResNetConfig()
    return Key(
        count(1),
        0.5,
        "Only the first dense layer sees the length of the maps: it has ten times as many inputs",
        {
            "that is the network as it is, with pooling": count(config.pool),
            "the convolutions do not grow with the length, only the first dense layer does": 10 * count(config.pool),
        },
        "parameters",
    )


def _rmse_of_r2():
    entries = load_published("gejiu")["entries"]
    deviation, score, rpd = (entries[name]["value"] for name in ("stat.ph.sd", "r2.resnet_ph", "rpd.resnet_ph"))
    return Key(
        deviation * np.sqrt(1 - score),
        0.006,
        "1 - R² is the squared RMSE over the variance",
        {
            "take the root: 1 - R² is a ratio of squares": deviation * (1 - score),
            "R² is the part that is explained; the error is the rest": deviation * np.sqrt(score),
            "that comes from the RPD; use R²": deviation / rpd,
            "that is a variance times 1 - R²: take its root": deviation**2 * (1 - score),
        },
        "pH units",
    )


def _factor():
    error = load_published("gejiu")["entries"]["rmse.resnet_ph_pb"]["value"]
    return Key(
        np.exp(error),
        0.02,
        "An RMSE of ln Pb is the logarithm of a factor",
        {
            "these are natural logarithms, so it is e to the RMSE and not 10": 10**error,
            "that holds for small errors alone: e to the RMSE, not 1 + RMSE": 1 + error,
            "that is the RMSE of ln Pb; turn the logarithm round": error,
            "a factor above 1 was asked for": np.exp(-error),
        },
    )


def _box_cox():
    published = load_published("gejiu")
    implied = published["inconsistencies"]["boxcox_exponent"]["figures"]
    names = ("rmse.resnet_ph_pb.boxcox", "stat.pb.median")
    error, median = (published["entries"][name]["value"] for name in names)
    return Key(
        error / median ** implied["exponent"],
        0.01,
        "Divide by the derivative: d ln c = dz / c^λ",
        {
            "divide by c^λ, do not multiply": error * median ** implied["exponent"],
            "that is the error on the Box-Cox scale": error,
            "take c^λ, not c^(λ - 1): the step is of ln c, not of c": error / median ** (implied["exponent"] - 1),
        },
    )


def _window(values, pool, nm):
    place = int(nm - 400) // pool
    windows = values[0].reshape(-1, pool)
    total = windows[place].sum()
    return Key(
        total,
        1e-3 * abs(total) + 1e-9,
        "The axis begins at 400 nm, and so does the first window",
        {
            "that is the mean of the channels; shares add up": windows[place].mean(),
            "that is the channel alone; its window has ten": values[0][int(nm - 400)],
            "that is the sum of absolute values; signs count": np.abs(windows[place]).sum(),
            "that is the window after it: count from 0": windows[place + 1].sum(),
            "that is the window before it": windows[place - 1].sum(),
        },
    )


def _normal(score):
    quartiles = 1.349
    return Key(
        quartiles / np.sqrt(1 - score),
        0.05,
        "Standard deviation over RMSE is 1 / √(1 - R²)",
        {
            "that is the RPD; the interquartile range is 1.349 deviations": 1 / np.sqrt(1 - score),
            "take the root: 1 - R² is a ratio of squares": quartiles / (1 - score),
            "R² is the part that is explained; the error is the rest": quartiles / np.sqrt(score),
        },
    )


def _overtone(wavenumber):
    return Key(
        1e7 / (2 * wavenumber),
        1.0,
        "A centimetre has 10,000,000 nm",
        {
            "that is the fundamental; the overtone has twice its frequency": 1e7 / wavenumber,
            "twice the frequency is half the wavelength": 2e7 / wavenumber,
            "that is in micrometres": 1e4 / (2 * wavenumber),
            "that is the wavenumber of the overtone; turn it into nm": 2.0 * wavenumber,
        },
        "nm",
    )


def _shift(kaolinite, quartz):
    spectrometer = laboratories()["iberian"].spectrometer
    off, of_quartz = (float(spectrometer.reported(band) - band) for band in (kaolinite, quartz))
    at_zero = float(spectrometer.reported(0.0))
    return (
        Key(
            off,
            0.01,
            "Put the wavenumber in place of v, then subtract it",
            {
                "that is the place itself; subtract the true one": kaolinite + off,
                "that is the stretch alone; the shift comes on top": off - at_zero,
                "the stretch goes the other way: it takes away from the shift": 2 * at_zero - off,
            },
            "1/cm",
            "kaolinite",
        ),
        Key(
            "quartz" if abs(of_quartz) > abs(off) else "kaolinite",
            hint="Compute the same for the other band",
            name="the band that is off by more",
        ),
    )


def _promise(asked, promised):
    laboratories = promised / (asked - promised)
    return Key(
        laboratories,
        0.01,
        "Solve 0.9 k / (k + 1) = 0.88 for k",
        {
            "that is k + 1: the new laboratory is not one of those left out": laboratories + 1,
            "that is one too few": laboratories - 1,
            "solve k / (k + 1), not k itself": promised / asked,
        },
        "laboratories",
    )


def _width(offset, half_width, low, high):
    def width(content, name):
        value = (content + offset) * (np.exp(half_width) - np.exp(-half_width))
        return Key(
            value,
            0.005 * value,
            "Upper less lower bound; the a outside the brackets drops out",
            {
                "a stands inside the brackets, too": value * content / (content + offset),
                "that is from the prediction to the upper bound; take both sides": (content + offset)
                * (np.exp(half_width) - 1),
                "the a outside the brackets drops out of the difference": value - 2 * offset,
            },
            "g/kg",
            name,
        )

    return width(low, f"for {low:g} g/kg"), width(high, f"for {high:g} g/kg")


KEYS = {
    "5.1": _grains,
    "5.2": _pooling,
    "5.3": _rmse_of_r2,
    "6.1": _factor,
    "6.2": _box_cox,
    "7.1": _window,
    "8.1": _normal,
    "8.2": _overtone,
    "8.3": _shift,
    "9.1": _promise,
    "9.2": _width,
}

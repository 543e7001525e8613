"""Keys to the exercises on the LIBS study: functions of what the page made."""

import numpy as np

from spectrakit.evaluation import generalisation_gap, limit_of_detection
from spectrakit.explain import line_mass
from spectrakit.ledger import load_published
from spectrakit.models import CNNConfig, SpectralCNN
from spectrakit.teaching.exercises.keys import Key

_K_EV, _K_J = 8.617e-5, 1.380649e-23  # Boltzmann's constant, per K


def _boltzmann(lines, another):
    slope, of_lower = (np.polyfit(lines[name], another, 1)[0] for name in ("E_upper_eV", "E_lower_eV"))
    temperature = -1 / (_K_EV * slope)
    return Key(
        temperature,
        0.03 * temperature,
        "Fit a straight line of the points over the upper energies; its slope is -1/kT",
        {
            "the energies are in eV, so take k in eV/K": -1 / (_K_J * slope),
            "you have 1/slope: divide by Boltzmann's constant too": -1 / slope,
            "the lower energies do not matter here: take E_upper_eV": -1 / (_K_EV * of_lower),
        },
        "K",
    )


def _doublet(sodium):
    decay, weight = sodium["A_s-1"].to_numpy(), sodium["g_upper"].to_numpy()
    d2 = np.argmin(sodium["wavelength_air_nm"])
    ratio = (decay * weight)[d2] / (decay * weight)[1 - d2]
    return Key(
        ratio,
        0.05,
        "Multiply g_upper by A for each line, and divide",
        {
            "1 is the ratio of A alone, and that of a thick plasma: upper states have weights, too": decay[d2]
            / decay[1 - d2],
        },
    )


def _limit(slope, blank_std, n_blanks):
    limit = limit_of_detection(slope, blank_std)
    return Key(
        limit,
        0.05,
        "Three standard deviations of the blank, over the slope",
        {
            "take three standard deviations, not one": limit / 3,
            "the scatter of single blanks counts, not that of their mean": limit / np.sqrt(n_blanks),
            "divide the counts by the slope: counts over counts per ppm": 3 * slope / blank_std,
        },
        "ppm",
    )


def _flatten(n_channels):
    config = CNNConfig()
    networks = (SpectralCNN(n_channels, CNNConfig(global_pooling=pooling)) for pooling in (True, False))
    pooled, flattened = (sum(part.numel() for part in network.parameters()) for network in networks)
    others = pooled - (config.n_kernels + 1) * config.n_hidden  # convolutions and output
    return Key(
        flattened,
        0.5,
        "Only the dense layer changes: inputs times outputs, plus a bias for each output",
        {
            "that is the network with the average: without it the dense layer has more inputs": pooled,
            "each output of the dense layer has a bias, too": flattened - config.n_hidden,
            "the convolutions and the output have parameters, too": flattened - others,
        },
        "parameters",
    )


def _percentage():
    error, content = load_published("libs")["entries"]["mae.ca.high"]["value"], 1000
    return Key(
        100 * error / content,
        0.05,
        "Error over content, times 100",
        {"content over error is the reciprocal: by how much is the soil off?": 100 * content / error},
        "%",
    )


def _leak(leak_splits, soil):
    pairs = zip(leak_splits.train, leak_splits.test, strict=True)
    share = np.concatenate([np.isin(soil[test], soil[train]) for train, test in pairs]).mean()
    return Key(
        share,
        0.005,
        "np.isin(soil[test], soil[train]) tells which test spectra have their soil in training",
        {
            "that is the share without a twin": 1 - share,
            "that is the share of the spectra that are trained on": leak_splits.train.mean(),
        },
    )


def _gap():
    error = load_published("libs")["entries"]["rmse.mg.high"]["value"]
    return Key(
        generalisation_gap(0.0, error),
        0.01,
        "Equation 7 takes the error of training less that of the test",
        {
            "equation 7 takes training less test, so mind the sign": error,
            "that would be a model that errs as much in training": 0.0,
        },
        "ppm",
    )


def _soils(counts):
    def factor(name, soils="spiked soils"):
        part = counts[(counts["element"] == "Mg") & (counts["soils"] == soils) & (counts["model"] == name)]
        error = part.groupby("n_soils")["test"].mean()
        return error[12] / error[96], error[12] - error[96]

    ratio, difference = factor("RF")
    return Key(
        ratio,
        0.02,
        "Take RF, magnesium and spiked soils, average over the draws, and divide",
        {
            "that is the difference; a factor is a ratio": difference,
            "those are the field soils": factor("RF", "field soils")[0],
            "that is PLS, not RF": factor("PLS")[0],
        },
    )


def _order(experiments):
    scores = experiments.pivot(index="seed", columns="model", values="r2")
    share = (scores["CNN"] > scores["BPNN"]).mean()
    return Key(
        share,
        0.005,
        "Pivot by seed, compare the two columns, and take the mean",
        {
            "that is how often the BPNN beats the CNN": 1 - share,
            "a share, not a count": (scores["CNN"] > scores["BPNN"]).sum(),
        },
    )


def _smallest_p(n_channels, n_maps):
    smallest = 1 / n_channels
    return (
        Key(
            smallest,
            5e-4,
            "Of all placements of the map, how many do as well as the true one?",
            {
                "the true place counts as one of the placements, so p cannot be 0": 0.0,
                "the true place is one of the placements: there are as many as channels": 1 / (n_channels - 1),
                "that is the limit to pass, not the p-value": 0.05 / n_maps,
            },
            name="p-value",
        ),
        Key(smallest <= 0.05 / n_maps, hint=f"Compare it with 0.05/{n_maps}", name="can pass"),
    )


def _relu(part, maps, lines, before):
    share, share_before = (line_mass(each, part.task.wavelength, lines).share for each in (maps, before))
    return Key(
        share,
        0.005,
        "explain.line_mass of the maps gives a share and p",
        {
            "those are the maps before the ReLU": share_before,
            "that is the p-value; take the share": line_mass(maps, part.task.wavelength, lines).p_value,
            "that is the share away from the lines": 1 - share,
        },
    )


def _lowers(part, mean_lowering, mean_raising):
    place = int(np.argmax(mean_lowering))
    return Key(
        part.task.wavelength[place],
        0.02,
        "The channel at which the mean map is largest; look its wavelength up",
        {
            "that is the number of the channel: look up its wavelength": float(place),
            "that is where the map of what raises is largest": part.task.wavelength[int(np.argmax(mean_raising))],
            "that is where the map is smallest": part.task.wavelength[int(np.argmin(mean_lowering))],
        },
        "nm",
    )


KEYS = {
    "1.1": _boltzmann,
    "1.2": _doublet,
    "1.3": _limit,
    "2.1": _flatten,
    "2.2": _percentage,
    "2.3": _leak,
    "3.1": _gap,
    "3.2": _soils,
    "3.3": _order,
    "4.1": _smallest_p,
    "4.2": _relu,
    "4.3": _lowers,
}

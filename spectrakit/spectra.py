"""Spectra with axis, contents and samples as one object; named axes; the axis and the signal that numbers can be."""

import warnings
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from spectrakit.contents import is_code

AXIS_UNITS = ("nm", "cm-1")
SIGNALS = ("counts", "reflectance", "absorbance")
ORIGINS = ("measured", "simulated")
# Signals of a file: `SIGNALS`, and reflectance in per cent, which is read as a fraction.
FILE_SIGNALS = ("counts", "reflectance", "percent-reflectance", "absorbance")
# What a channel of a signal can have at all, in the unit of the file, with noise and a poor white reference. What was
# absorbance may be harmonised, and then lie around 0.
_LIMITS = {
    "reflectance": (-0.5, 3),
    "percent-reflectance": (-50, 300),
    "absorbance": (-9, 10),
    "counts": (-9998, 1e9),
}
# The quantile of a spectrum that tells its scale, what it does not exceed (in per cent: does exceed), and what the
# signal looks like where it does.
_SCALES = {
    "reflectance": (0.5, 1.5, "percent-reflectance"),
    "percent-reflectance": (0.95, 3.0, "reflectance"),
    "absorbance": (0.5, 6.0, "percent-reflectance"),
}
_LOOKS = {"percent-reflectance": "percent", "reflectance": "fractions or absorbance"}
# Bands (nm) in which soils absorb, and those beside them in which they absorb less: colour, water, hydroxyl.
_BANDS_NM = (
    ((440, 500), ((750, 850),)),
    ((1900, 1935), ((1800, 1850), (2080, 2130))),
    ((2740, 3030), ((3571, 3846),)),
)
MAX_ROW_CHANNELS = 200  # that tell the scale of a spectrum
LUCAS_AXIS_NM = np.arange(400.0, 2500.0)


@dataclass(frozen=True, eq=False)
class SpectralDataset:
    """Spectra of many samples on one axis, with what else is known of the samples.

    spectra : float32 (n_samples, n_channels); NaN where a channel was not measured
    axis : float64 (n_channels,), strictly ascending
    axis_unit : 'nm' (wavelength) or 'cm-1' (wavenumber)
    signal : 'counts', 'reflectance' (0-1) or 'absorbance' (log10 1/R)
    properties : float64 DataFrame (n_samples, k), column names end in their unit; NaN where not measured
    samples : DataFrame (n_samples, m) with sample_id, and group, lab, site ... where known
    provenance : dict with origin ('measured' or 'simulated'), source, seed ...
    notes : what a reader of files changed or doubts, in words

    Raises ValueError for shapes that do not fit together, an axis that does not ascend, an unknown unit,
    signal or origin. Methods return new datasets and leave this one as it is.

    >>> from spectrakit.simulate import libs
    >>> soils = libs.simulate_libs(random_state=0)
    >>> print(soils.n_samples, soils.axis_unit, list(soils.properties))
    24 nm ['ca_ppm', 'mg_ppm', 'na_ppm']
    """

    spectra: np.ndarray
    axis: np.ndarray
    axis_unit: str
    signal: str
    properties: pd.DataFrame
    samples: pd.DataFrame
    provenance: dict
    notes: tuple = ()

    def __post_init__(self):
        one_of("axis_unit", self.axis_unit, AXIS_UNITS)
        one_of("signal", self.signal, SIGNALS)
        one_of("provenance origin", self.provenance.get("origin"), ORIGINS)
        spectra = np.asarray(self.spectra, dtype=np.float32)
        axis = np.asarray(self.axis, dtype=np.float64)
        if spectra.ndim != 2 or axis.shape != spectra.shape[1:]:
            raise ValueError(
                f"spectra {spectra.shape} do not fit axis {axis.shape}: give (n_samples, n_channels) and (n_channels,)"
            )
        if axis.size == 0 or not np.isfinite(axis).all() or (np.diff(axis) <= 0).any():
            raise ValueError("axis: give at least one channel, finite, in strictly ascending order")
        for name in ("properties", "samples"):
            if len(getattr(self, name)) != len(spectra):
                raise ValueError(f"{name}: {len(getattr(self, name))} rows for {len(spectra)} spectra")
        if "sample_id" not in self.samples:
            raise ValueError("samples: the column sample_id is missing")
        # A frozen dataclass takes what it has normalised in no other way.
        self.__dict__.update(
            spectra=spectra,
            axis=axis,
            properties=self.properties.astype(np.float64).reset_index(drop=True),
            samples=self.samples.reset_index(drop=True),
            provenance=dict(self.provenance),
        )

    def __len__(self):
        return len(self.spectra)

    @property
    def n_samples(self):
        """Number of spectra, the rows of all three tables."""
        return self.spectra.shape[0]

    @property
    def n_channels(self):
        """Number of channels."""
        return self.spectra.shape[1]

    def window(self, low, high):
        """Channels from `low` to `high`, both included, in the axis unit; ValueError where there are none."""
        inside = (self.axis >= low) & (self.axis <= high)
        if not inside.any():
            raise ValueError(f"no channel between {low} and {high} {self.axis_unit}: {self._extent()}")
        return replace(self, spectra=self.spectra[:, inside], axis=self.axis[inside])

    def subset(self, rows):
        """Samples picked by a boolean mask (n_samples,) or by positions, in the order given.

        Raises ValueError for a mask of another length, IndexError for a position that is not there.
        """
        rows = np.asarray(rows)
        if rows.dtype == bool and rows.shape != (self.n_samples,):
            raise ValueError(f"mask of shape {rows.shape} for {self.n_samples} samples")
        positions = np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)
        return replace(
            self,
            spectra=self.spectra[positions],
            properties=self.properties.iloc[positions],
            samples=self.samples.iloc[positions],
        )

    def resample(self, new_axis):
        """The spectra on another axis, by linear interpolation between neighbouring channels.

        new_axis : (n_new,), ascending, in the axis unit
        Raises ValueError where the spectra do not cover it: beyond either end, or inside a gap (`axis_gaps`).
        A new channel that lies beside a missing value is missing.
        """
        new_axis = np.asarray(new_axis, dtype=np.float64)
        outside = ~covered_channels(new_axis, self.axis)
        if outside.any():
            raise ValueError(f"{new_axis[outside][0]} {self.axis_unit} is not covered: {self._extent()}")
        return replace(self, spectra=interpolated(self.spectra, self.axis, new_axis), axis=new_axis)

    def provenance_line(self):
        """Where the spectra come from, in one line: 'simulated, seed 7, ...' or 'measured, file a.csv'."""
        return provenance_line(self.provenance)

    def _extent(self):
        gaps = "".join(f", none between {low:g} and {high:g}" for low, high in axis_gaps(self.axis))
        return f"the spectra span {self.axis[0]:g} to {self.axis[-1]:g} {self.axis_unit}{gaps}"


def unusual_axis(axis, axis_unit):
    """Why an axis (n_channels,) is unusual in its unit, in words; None for one that is not.

    Soil spectra in nm end near 2500, those in 1/cm reach from a few hundred to several thousand.
    """
    low, high = np.min(axis), np.max(axis)
    lowest, highest = {"nm": (100, 25_000), "cm-1": (100, 60_000)}[axis_unit]
    looks_like_other = (low < 1500 and high > 3000) if axis_unit == "nm" else (low < 500 and high <= 2600)
    if lowest <= low and high <= highest and not looks_like_other:
        return None
    likeness = f", it looks like {'cm-1' if axis_unit == 'nm' else 'nm'}" if looks_like_other else ""
    if axis_unit == "nm" and high <= 30:
        likeness = ", it looks like micrometres"
    return f"axis from {low:g} to {high:g} is unusual in {axis_unit}{likeness}"


def unmeasured_channels(values, signal):
    """Masks of the channels (n, n_channels) that no signal of the kind can have, and of the rows (n,) on another scale.

    values : as a file has them, NaN where not measured; signal : one of `FILE_SIGNALS`
    Each row is judged by itself, by a quantile of it, so that a spike or a code for 'not measured' changes nothing.
    """
    low, high = _LIMITS[signal]
    lowest, highest = (reduce(values, axis=None, initial=0) for reduce in (np.fmin.reduce, np.fmax.reduce))
    if lowest >= low and highest <= high:
        return np.zeros(values.shape, bool), rows_on_another_scale(values, signal)
    if signal == "counts":
        # Counts less a background may be -99.
        return is_code(values) & ((values < low) | (values > high)), np.zeros(len(values), bool)
    codes = (values < low) | ((values > high) & is_code(values))
    other = rows_on_another_scale(np.where(codes, np.nan, values), signal)
    return (codes | (values > high)) & ~other[:, None], other


def rows_on_another_scale(values, signal):
    """Mask (n,) of the spectra (n, n_channels) on another scale than a signal of `FILE_SIGNALS`; counts have any."""
    if signal == "counts" or not values.shape[1]:
        return np.zeros(len(values), bool)
    quantile, limit, *_ = _SCALES[signal]
    some = values[:, :: max(1, values.shape[1] // MAX_ROW_CHANNELS)]
    # What leaves out NaN goes row by row, which takes many times as long.
    whole = ~np.isnan(some).any(axis=1)
    level = np.full(len(some), np.nan)
    level[whole] = np.quantile(some[whole], quantile, axis=1)
    if not whole.all():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # a row without numbers
            level[~whole] = np.nanquantile(some[~whole], quantile, axis=1)
    return level < limit if signal == "percent-reflectance" else level > limit


def wrong_scale(signal):
    """What rows on another scale than a signal's look like, in words, and the signal to declare for them."""
    likeness = _SCALES[signal][-1]
    return _LOOKS[likeness], likeness


def rows_of_contrary_shape(values, axis, axis_unit, signal):
    """Mask (n,) of the spectra whose shape is that of absorbance where reflectance is declared, or the reverse.

    values : (n, n_channels) on an axis (n_channels,) in any order; signal : one of `FILE_SIGNALS`
    Soils absorb blue light, at 1,900 nm (water) and at 2,740 to 3,030 nm (hydroxyl) more than beside. A shape is
    contrary where all of these say so that the axis reaches; counts have none.
    """
    nm = axis if axis_unit == "nm" else 1e7 / axis
    contrary, n_tests = np.ones(len(values), bool), 0
    for band, beside in _BANDS_NM if signal != "counts" else ():
        inside = [(nm >= low) & (nm <= high) for low, high in (band, *beside)]
        if all(mask.any() for mask in inside):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                levels = [np.nanmean(values[:, mask], axis=1) for mask in inside]
            rise = levels[0] - np.mean(levels[1:], axis=0)
            contrary &= rise < 0 if signal == "absorbance" else rise > 0
            n_tests += 1
    return contrary & (n_tests > 0)


def axis_gaps(axis):
    """Stretches that no channel covers: steps over three times as wide as either step beside them.

    They are over three times the median step too, so that the overlapping orders of an echelle
    spectrometer, where narrow and ordinary steps alternate, do not count as gaps.

    axis : (n_channels,), ascending
    Returns an array (n_gaps, 2) of the channels on either side of each gap, in the unit of the axis.
    """
    steps = np.diff(axis)
    beside = np.zeros_like(steps)
    beside[1:] = steps[:-1]
    beside[:-1] = np.maximum(beside[:-1], steps[1:])
    usual = np.maximum(beside, np.median(steps)) if len(steps) > 1 else np.inf
    wide = np.flatnonzero(steps > 3 * usual)
    return np.column_stack([axis[wide], axis[wide + 1]])


def covered_channels(new_axis, axis):
    """Mask (n_new,) of the channels that those of an axis (n_channels,) enclose: not beyond its ends, nor in a gap."""
    inside = np.zeros(len(new_axis), bool) if len(axis) == 0 else (new_axis >= axis[0]) & (new_axis <= axis[-1])
    for low, high in axis_gaps(axis):
        inside &= (new_axis <= low) | (new_axis >= high)
    return inside


def interpolated(spectra, axis, new_axis):
    """Spectra (n, n_channels) on a new axis (n_new,), float32, by linear interpolation between neighbouring channels.

    Both axes ascend. On the same axis they are the spectra themselves.
    """
    spectra = np.asarray(spectra, dtype=np.float32)
    if np.array_equal(axis, new_axis):
        return spectra
    resampled = np.empty((len(spectra), len(new_axis)), dtype=np.float32)
    for row, spectrum in zip(resampled, spectra, strict=True):
        row[:] = np.interp(new_axis, axis, spectrum)
    return resampled


def laboratory_labels(samples):
    """Who scanned each sample: Series (n_samples,) of text, missing where nobody is named; None where no column says.

    samples : of a `SpectralDataset`; the column laboratory counts, and lab where that is empty.
    """
    columns = [samples[name].astype(object) for name in ("laboratory", "lab") if name in samples]
    if not columns:
        return None
    labels = columns[0] if len(columns) == 1 else columns[0].fillna(columns[1])
    return labels.where(labels.isna(), labels.astype(str))


def group_labels(samples, columns=("group", "site")):
    """Labels (n_samples,) of what must not be divided: the first of some columns that says, else the sample itself.

    samples : of a `SpectralDataset`
    """
    labels = "sample " + samples["sample_id"].astype(str)
    for name in reversed([name for name in columns if name in samples]):
        labels = labels.where(samples[name].isna(), f"{name} " + samples[name].astype(str))
    return labels.to_numpy(str)


def provenance_line(provenance):
    """A provenance dict in one line: origin, seed, source, then whatever else is a plain text or number."""
    parts = [provenance["origin"]]
    if provenance.get("seed") is not None:
        parts.append(f"seed {provenance['seed']}")
    if provenance.get("source"):
        parts.append(str(provenance["source"]))
    further = {key: value for key, value in provenance.items() if key not in ("origin", "seed", "source")}
    parts += [f"{key} {value}" for key, value in further.items() if isinstance(value, str | int | float)]
    return ", ".join(parts)


def count_of(number, noun):
    """A number with its noun, which takes an s: '1 row', '2,000 rows'."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def one_of(name, value, known):
    """Raises ValueError, with the choices, for a value that is not among the known ones."""
    if value not in known:
        raise ValueError(f"{name} {value!r}: give one of {', '.join(known)}")


def library_axis():
    """The axis that all laboratories' spectra are interpolated to: (1700,), 600 to 3998 cm-1 in steps of 2."""
    return np.arange(600.0, 4000.0, 2.0)

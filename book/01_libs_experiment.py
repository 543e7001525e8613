# %% [markdown]
# # The LIBS experiment
#
# A laser pulse hits a pellet of soil. For a few millionths of a second a spark stands on its surface, hotter than the
# surface of the sun, and its light tells which elements are in the soil. This is laser-induced breakdown
# spectroscopy, LIBS for short. In this chapter we build the experiment of the study from physics: the spark, the
# spectrometer, the camera and the 24 soils. The next three chapters then do what the study did with the spectra.
#
# **What you will learn**
#
# - what a plasma of given temperature and electron density sends out, and why some lines stop growing
# - how a spectrometer and a camera turn that light into counts, and where noise comes from
# - what a limit of detection is, and what the published ones say about the experiment
# - how to check your own LIBS spectra before you train anything on them
#
# **Time**: about 45 minutes to read; the code runs in under a minute.
# **You need**: Python with NumPy, and school physics. No spectroscopy.

# %% tags=["hide-input"]
import ipywidgets
import numpy as np
import pandas as pd

from spectrakit import evaluation, ledger, resources, teaching
from spectrakit.simulate import libs
from spectrakit.studies import libs as study
from spectrakit.teaching import figures, widgets

figures.book_style()
profile = study.PROFILES[resources.profile_name()]
published = ledger.load_published("libs")["entries"]
scatter = libs.settings()["scatter"]["scale"]
native = libs.settings()["reference_soil_ppm"]

# %% tags=["hide-input"]
stages = libs.stage_fractions(
    *(
        np.array([libs.settings()["plasma"][name]])
        for name in ("temperature_K", "electron_density_cm3")
    )
)[0]
teaching.sentence(
    "**What comes out.** In the spark of this experiment {ca:.0%} of the calcium and {mg:.0%} of the magnesium are "
    "ions, and their strongest lines swallow part of their own light. Adding 1000 ppm to an average soil raises its "
    "calcium by {more:.0%} only: the spiked soils differ by a few per cent of a large signal. To detect so little, as "
    "published, the sparks on the spiked soils must repeat {ratio:.0f} times as well as those on the field soils.",
    ca=stages[libs.ELEMENTS.index("Ca"), 1],
    mg=stages[libs.ELEMENTS.index("Mg"), 1],
    more=1000 / native["Ca"],
    ratio=scatter["low"] / scatter["high"],
)

# %% [markdown]
# ## The set-up
#
# The study's laser sends pulses of 100 mJ. A lens focuses them a little below the surface of a pellet of pressed soil,
# and every pulse hits a fresh spot. The spark expands and cools. At first it glows in all colours; only when that glow
# has faded do the sharp lines of the elements stand out. So the camera waits: its shutter opens 2 µs after the pulse,
# for 0.9 µs. A hundred such spectra are averaged into one.

# %% mystnb={"image": {"alt": "Diagram of the set-up: laser, attenuator and lens above a pellet on a moving stage; the light of the plasma goes through a second lens and a fibre to an echelle spectrometer with a gated camera; a delay generator triggers both."}} tags=["hide-input"]
figures.diagram("libs_setup")

# %% [markdown]
# This is the counterpart of the paper's figure 1. All settings of our simulation stand in one file,
# `data/libs_experiment.yml`, each with its source: the paper, the literature, or an assumption that is named as one.

# %% tags=["hide-input"]
recorded = libs.settings()["recorded"]
settings = [
    f"{name.replace('_', ' ')}: {value}" for name, value in recorded.items()
]
teaching.sentence(
    "With every spectrum goes how it was recorded: {settings}.",
    settings=", ".join(settings),
)

# %% [markdown]
# ## The spark is a lamp
#
# A plasma is a gas so hot that its atoms lose electrons. Two numbers describe ours: its **temperature** $T$ and its
# **electron density** $n_e$, the number of free electrons in a cubic centimetre. If collisions are frequent enough,
# every share in the plasma follows from the two: this is *local thermodynamic equilibrium*.
#
# The first share is that of atoms which have lost an electron. The Saha equation gives the ratio of ions to atoms,
#
# $$\frac{n_{\mathrm{II}}}{n_{\mathrm{I}}} = \frac{2}{n_e}\left(\frac{2\pi m_e k T}{h^2}\right)^{3/2}
#   \frac{U_{\mathrm{II}}(T)}{U_{\mathrm{I}}(T)}\; e^{-E_\mathrm{ion}/kT},$$
#
# where $n_{\mathrm{I}}$ and $n_{\mathrm{II}}$ are the numbers of atoms and of ions in a cubic centimetre, $m_e$ is
# the mass of the electron, $k$ Boltzmann's and $h$ Planck's constant, $E_\mathrm{ion}$ the energy that it takes to
# remove the electron, and the $U$ are partition functions, which
# count the states that heat opens. Spectroscopists write Ca I for the neutral atom and Ca II for the ion. In our
# plasma, most of the calcium and magnesium is ionised:

# %%
nominal = libs.settings()["plasma"]
shares = libs.stage_fractions(
    np.array([nominal["temperature_K"]]),
    np.array([nominal["electron_density_cm3"]]),
)[0]  # (n_elements, 3): atoms, ions, doubly charged ions

# %% tags=["hide-input"]
rows = [
    (e, *shares[libs.ELEMENTS.index(e)]) for e in ("Ca", "Mg", "Na", "Fe", "Si")
]
frame = pd.DataFrame(rows, columns=["element", "I (atom)", "II (ion)", "III"])
conditions = f"{nominal['temperature_K']:,.0f} K and {nominal['electron_density_cm3']:.0e} electrons per cm³"
caption = f"Share of each stage of ionisation at {conditions}"
figures.show_table(frame, caption, dict.fromkeys(frame.columns[1:], "{:.3f}"))

# %% [markdown]
# The second share is that of atoms in an excited state, from which they can fall and send out light. It follows
# Boltzmann: a state of energy $E_k$ and weight $g_k$ holds a share proportional to $g_k\,e^{-E_k/kT}$. As long as the
# plasma is thin, the light of a line is this share times the probability $A$ that the state decays, divided by the
# wavelength $\lambda$:
#
# $$ I \;\propto\; \frac{g_k A}{\lambda}\, \frac{n}{U(T)}\, e^{-E_k/kT}. $$
#
# Wavelengths, weights, energies and probabilities are measured constants, collected by NIST
# ([references](references.md)). Here are the lines of the three elements that matter in the study's three windows,
# each with its share of the strongest line of its element there:

# %% tags=["hide-input"]
table = pd.concat([study.reference_lines(target) for target in libs.TARGETS])
table["share"] = table["strength"] / table.groupby("element")[
    "strength"
].transform("max")
names = {
    "wavelength_air_nm": "wavelength (nm)",
    "A_s-1": "A (1/s)",
    "E_lower_eV": "lower (eV)",
    "E_upper_eV": "upper (eV)",
}
frame = table[["element", "stage", *names, "share"]].rename(columns=names)
formats = dict.fromkeys(
    ["wavelength (nm)", "lower (eV)", "upper (eV)", "share"], "{:.3f}"
) | {"A (1/s)": "{:.2e}"}
figures.show_table(
    frame,
    f"Lines above 1 % of the strongest in its window, of {len(libs.line_table()):,} in the kit",
    formats,
)

# %% [markdown]
# ### A thermometer
#
# Turn the last equation around and you have a thermometer. Plot $\ln(I\lambda/g_kA)$ against $E_k$ for several lines
# of one element, all from its atoms or all from its ions (here iron atoms, Fe I): the points fall on a line whose
# slope is $-1/kT$. This is a **Boltzmann plot**. Let us try it on
# simulated light of silica with a trace of iron, and see whether it gives back the temperature that we put in.

# %% mystnb={"image": {"alt": "Boltzmann plot of lines of neutral iron: ln(I λ / g A) over the energy of the upper level in eV, a dot for each line, and the straight line fitted to them, whose slope gives the temperature in the legend."}}
iron = [370.5565, 371.9934, 374.9484, 404.5812, 438.3544, 495.7596, 561.5644]
lines = pd.concat(
    [libs.line_table(nm - 0.003, nm + 0.003, "Fe", 1) for nm in iron],
    ignore_index=True,
)
trace = pd.DataFrame({"Si": [467_000.0], "O": [532_800.0], "Fe": [200.0]})


def boltzmann_y(temperature):
    """ln(I wavelength / g A) of each line of the simulated spectrum."""
    plasma, areas = libs.soil_plasma(trace, temperature), []
    for row, nm in enumerate(lines.wavelength_air_nm):
        part = libs.SpectralRange(nm - 0.5, nm + 0.5, lines.iloc[[row]])
        areas.append(
            study.line_areas(part.grid_nm, part.radiance(plasma), nm, 0.49)[0]
        )
    return np.log(
        areas * lines.wavelength_air_nm / (lines["A_s-1"] * lines.g_upper)
    )


figure = figures.boltzmann_plot(lines.E_upper_eV, boltzmann_y(10_000.0))
# %% [markdown]
# ```{exercise-start}
# :label: ex-boltzmann
# ```
# `another` holds $\ln(I\lambda/g_kA)$ of the same seven lines in another plasma. What is its temperature? Their
# energies stand in `lines.E_upper_eV`
# (in eV); Boltzmann's constant is $k = 8.617\cdot10^{-5}$ eV/K.

# %%
secret = np.random.default_rng(7).uniform(7000, 9500)
another = boltzmann_y(secret)
answer_1_1 = None  # its temperature in K, from `another` and the energies

# %% tags=["hide-input"]
teaching.check("1.1", answer_1_1, lines=lines, another=another)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-boltzmann
# :class: dropdown
# ```

# %%
slope = np.polyfit(lines.E_upper_eV, another, 1)[0]
print(f"{-1 / (8.617e-5 * slope):,.0f} K")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ### When a line stops growing
#
# More calcium, more light: this is what every calibration hopes for. But the atoms that send out a line can also
# swallow it. For a slab of plasma in equilibrium the light that leaves it is
#
# $$ L(\lambda) = B(\lambda, T)\left(1 - e^{-\tau(\lambda)}\right), $$
#
# with $B$ the radiance of a black body and $\tau$ the **optical depth**, which is proportional to the number of
# absorbers. While $\tau$ is small, $1-e^{-\tau}\approx\tau$: twice the calcium, twice the light. When $\tau$ is large the
# line has reached the black body and its top cannot rise any further; it can only grow wider. This is
# *self-absorption*, and plotted against content it gives the *curve of growth*.

# %% mystnb={"image": {"alt": "Curves of growth of a main line each of calcium, magnesium and sodium: area of the line over content in ppm, both on logarithmic axes, beside a dotted line on which the area would grow in proportion to the content."}} tags=["hide-input"]
contents = np.geomspace(1, 30_000, 13)
average_soil = pd.DataFrame(
    [libs.settings()["reference_soil_ppm"]] * len(contents)
).astype(float)
figure, axes = figures.panels(height=3.6)
for target, (ion, nm) in {
    "ca": ("Ca I", 422.673),
    "mg": ("Mg II", 279.553),
    "na": ("Na I", 588.995),
}.items():
    soil = average_soil.assign(**{target.capitalize(): contents})
    part = libs.SpectralRange(
        nm - 0.3,
        nm + 0.3,
        libs.line_table(nm - 0.003, nm + 0.003, ion.split()[0]),
    )
    area = study.line_areas(
        part.grid_nm, part.radiance(libs.soil_plasma(soil)), nm, 0.25
    )
    axes.loglog(
        contents, area / area[0], marker="o", label=f"{ion} {nm:.1f} nm"
    )
axes.loglog(
    contents, contents, color="0.6", linestyle=":", label="in proportion"
)
axes.set(xlabel="Content (ppm by mass)", ylabel="Line area, relative to 1 ppm")
legend = axes.legend()
# %% [markdown]
# Look where the three lines bend: the stronger the line, the sooner. An average soil of the world holds this much of
# each element; its lines are this deep at their centres:

# %% tags=["hide-input"]
rows = []
for target in libs.TARGETS:
    own = study.reference_lines(target)
    ends = own.wavelength_air_nm.min() - 0.2, own.wavelength_air_nm.max() + 0.2
    depth = (
        libs.SpectralRange(*ends, own)
        .line_optical_depth(libs.nominal_plasma())
        .max()
    )
    ppm = native[target.capitalize()]
    rows.append((target.capitalize(), ppm, float(depth), 1000 / ppm))
depths = pd.DataFrame(
    rows,
    columns=["element", "content (ppm)", "optical depth", "1000 ppm more are"],
)
formats = {
    "content (ppm)": "{:,}",
    "optical depth": "{:.1f}",
    "1000 ppm more are": "{:.0%} more",
}
figures.show_table(
    depths,
    "An average soil: what it holds, and how deep its strongest lines are",
    formats,
)

# %% tags=["hide-input"]
first = depths.loc[depths["optical depth"].idxmax()]
teaching.sentence(
    "The deepest line is that of {element}, with an optical depth of {depth:.0f} in soil that nobody has spiked. "
    "{growth} The column on the right is what counts for the spiked soils: it is all that their labels tell apart.",
    element=first["element"],
    depth=first["optical depth"],
    growth=teaching.claim(
        first["optical depth"],
        1,
        below="It is still in the straight part of its curve.",
        above="It has long left the straight part of its curve: twice the content is far from twice the light.",
    ),
)

# %% [markdown]
# ```{exercise-start}
# :label: ex-doublet
# ```
# Sodium's yellow line is a pair, D2 at 588.995 nm and D1 at 589.592 nm. In a thin plasma their light has the ratio of
# $g_kA$, in a very thick one it is 1. What is the ratio of the areas in a thin plasma, to one decimal? `libs.line_table`
# gives the constants; you need no simulation.

# %%
sodium = libs.line_table(588.9, 589.7, "Na", 1)
answer_1_2 = None

# %% tags=["hide-input"]
teaching.check("1.2", answer_1_2, sodium=sodium)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-doublet
# :class: dropdown
# ```

# %%
strength = (sodium["A_s-1"] * sodium.g_upper).to_numpy()
print(f"{strength[0] / strength[1]:.1f}: the two decay equally fast,")
print("but the upper state of D2 has twice the weight.")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** You double the calcium in a soil whose calcium line has an optical depth of 10. By how much does the
# line's peak grow?
#
# <details><summary>It doubles</summary>
# No. That holds while the optical depth is far below 1, and each atom sends its light out unhindered.</details>
# <details><summary>Hardly at all</summary>
# Right. At this depth the centre of the line has reached the black body of the plasma; only its wings still
# grow.</details>
# <details><summary>It becomes smaller</summary>
# No. In the equation above $L$ never falls when $\tau$ grows; a dip needs a cooler rim, which our plasma
# lacks.</details>
#
# </div>

# %% [markdown]
# ## From light to counts
#
# The light goes through a fibre into an **echelle spectrometer**, whose resolution element, the smallest distance at
# which two lines are seen as two, is a fixed share of the
# wavelength: with a resolving power of 5000 it is $\lambda/5000$, wider than almost every line in our plasma. An
# intensified camera counts the light, in 16 bits: it ends at 65,535. The study keeps three windows:

# %% tags=["hide-input"]
spectrometer = libs.spectrometer()
rows = [
    (
        t.capitalize(),
        f"{a[0]:.2f} to {a[-1]:.2f}",
        len(a),
        a[1] - a[0],
        float(spectrometer.resolution_nm(a.mean())),
    )
    for t, a in libs.window_axes().items()
]
columns = [
    "element",
    "window (nm)",
    "channels",
    "channel width (nm)",
    "resolution element (nm)",
]
figures.show_table(
    pd.DataFrame(rows, columns=columns),
    "The study's three windows",
    dict.fromkeys(columns[3:], "{:.4f}"),
)

# %% [markdown]
# The calcium window ends 0.06 nm beyond the calcium line, within one resolution element: it cuts the line's red wing
# off. That is how the paper gives it, and we keep it.
#
# A resolution element spans three to four channels. Two lines closer than that melt into one, and no network can tell
# them apart: remember this when chapter 4 asks which lines a network looks at.
#
# Light comes in photons, which arrive at random, so even a perfect camera sees noise. Ours also adds a constant offset
# and the noise of its readout. Larger than both is the noise of the plasma itself: no two sparks are alike. From shot
# to shot we let temperature, electron density and ablated mass scatter, and every pellet has an offset of its own.
#
# ## The 24 soils
#
# Samples 1 to 12 are one reference soil to which calcium, magnesium and sodium were added, from nothing to 1000 ppm.
# Samples 13 to 24 come from the field. Their contents are not printed in the paper, but it says how they scatter:
# $R^2 = 1 - \mathrm{RMSE}^2/s^2$, so any published pair of $R^2$ and RMSE gives away the standard deviation $s$ of
# the contents (chapter 2 defines both scores). We draw contents with exactly these deviations.

# %% tags=["hide-input"]
soils = libs.study_soils(random_state=0)
rows = []
for range_, group in soils.samples.groupby("range"):
    for target in libs.TARGETS:
        rmse, r2 = (
            published[f"{metric}.{target}.{range_}"]["value"]
            for metric in ("rmse", "r2")
        )
        rows.append(
            (
                range_,
                target.capitalize(),
                rmse / np.sqrt(1 - r2),
                group[f"{target}_ppm"].std(ddof=0),
            )
        )
columns = ["range", "element", "implied by the paper (ppm)", "here (ppm)"]
caption = "Standard deviation of the contents: spiked soils (high) and field soils (low)"
figures.show_table(
    pd.DataFrame(rows, columns=columns),
    caption,
    dict.fromkeys(columns[2:], "{:.1f}"),
)

# %% [markdown]
# The levels of the spiked soils, 0, 50 and then 100 to 1000 ppm, are known, and their deviation agrees with what the
# paper's own figures imply. One thing about the labels matters more than any network. For the spiked soils the label
# is what was **added**. The soil itself held calcium, magnesium and sodium before, and the laser does not know which
# atom came from where. The largest addition, 1000 ppm, changes the total by no more than the percentages under
# the curve of growth, if the reference soil is like the average soil. For the field soils we take the label as all
# there is.
#
# ```{warning}
# Real soils hold thousands of ppm of magnesium and sodium. Field contents that scatter by 91 and 6 ppm cannot be such
# totals; they may be what a laboratory's extract dissolves. The laser would then meet far more than the label says.
# Chapter 3 simulates that reading too.
# ```
#
# ## The spectra
#
# Now we fire. First a survey of one soil over the whole range of the spectrometer, to see where we are:

# %% mystnb={"image": {"alt": "Simulated survey spectrum of the reference soil: signal in 1000 counts over wavelength from 200 to 975 nm, with main lines of calcium, magnesium, sodium, silicon and hydrogen named."}} tags=["hide-input"]
survey = libs.measure(libs.spiked_soils([0]), survey=True)
named = [
    (279.55, "Mg II"),
    (288.16, "Si I"),
    (393.37, "Ca II"),
    (422.67, "Ca I"),
    (589.0, "Na I"),
    (656.28, "H I"),
]
figure = figures.survey_spectrum(survey.axis, survey.spectra[0], named)
# %% [markdown]
# The tallest lines run into the end of the camera's scale: the gain was set for the three windows, as the study uses
# nothing else. Then the experiment itself, 24 soils times 100 shots:

# %%
dataset = libs.simulate_libs(random_state=0)
assert dataset.spectra.shape == (24, 223)  # soils, channels


# %% mystnb={"image": {"alt": "Three panels, one each for the windows of calcium, magnesium and sodium: spectra of the twelve spiked soils, counts over wavelength, coloured by content with a colour bar in ppm, and the lines of the element marked."}} tags=["hide-input"]
def draw_windows(range_):
    tasks = [study.cut_task(dataset, target, range_) for target in libs.TARGETS]
    return figures.window_spectra(
        tasks,
        [
            figures.line_labels(study.reference_lines(target))
            for target in libs.TARGETS
        ],
    )


figure = draw_windows("high")
# %% mystnb={"image": {"alt": "The same three windows for the twelve field soils: counts over wavelength, coloured by content with a colour bar in ppm, and the lines of the element marked."}} tags=["hide-input"]
figure = draw_windows("low")
# %% [markdown]
# These are the counterparts of the paper's figure 3: the spiked soils first, then the field soils. In the field soils
# the lines grow visibly with the content. In the spiked soils twelve spectra lie almost on top of each other: all
# that the network will have to go by is a small change on a large background. The next step is the study's data
# flow, its figure 2:

# %% mystnb={"image": {"alt": "Data flow: spectra are cut to windows and normalised; ten-fold cross-validation trains the network and its baselines; metrics and Grad-CAM maps come out."}} tags=["hide-input"]
figures.diagram("libs_data_flow")

# %% [markdown]
# ## Play with the plasma
#
# What would you change to see more? Each slider changes one thing and all three windows answer. Try this: at a high
# content, watch the two magnesium lines near 279.6 and 280.3 nm become equally tall. Then cool the plasma: neutral
# calcium and sodium grow, ionised magnesium fades.

# %% tags=["hide-input"]
prepared = widgets.plasma_explorer(
    temperatures_K=[8500, 9000, 9500, 10_000, 10_500, 11_000, 11_500],
    electron_densities_cm3=[3e16, 5e16, 7e16, 1e17],
    contents_ppm=[10, 100, 500, 1000, 2000, 5000, 10_000],
)


def around(report, temperature, density):
    """The same sliders around a plasma of your own."""
    return widgets.plasma_explorer(
        temperatures_K=temperature + np.array([-500, 0, 500]),
        electron_densities_cm3=density * np.array([0.5, 1, 2]),
        contents_ppm=[10, 100, 1000, 10_000],
    )


fields = {
    "temperature": ipywidgets.IntSlider(
        10_000, 6000, 16_000, 100, description="T (K)"
    ),
    "density": ipywidgets.FloatLogSlider(
        7e16, min=15.5, max=18, step=0.1, description="nₑ (cm⁻³)"
    ),
}
widgets.Live(prepared, fields, around)

# %% [markdown]
# ## What can be detected
#
# The **limit of detection** is the smallest content whose signal stands out from a blank: three times the standard
# deviation of repeated blanks, divided by the slope of signal over content. It depends on noise alone, which makes it
# the right thing to calibrate a simulator on: it says how much the plasma scatters before any model has been trained.

# %% tags=["hide-input"]
rows = []
for range_, group in (
    ("high", libs.spiked_soils()),
    ("low", libs.field_soils(0)),
):
    calibration = libs.measure(group, random_state=0)
    for target in libs.TARGETS:
        task = study.cut_task(calibration, target, range_)
        blanks = libs.measure(
            libs.blank_soils(group, target), profile.n_blanks, random_state=1
        )
        noise = study.line_signal(study.cut_task(blanks, target, range_)).std(
            ddof=1
        )
        limit = evaluation.limit_of_detection(
            np.polyfit(task.content, study.line_signal(task), 1)[0], noise
        )
        rows.append(
            (
                target.capitalize(),
                range_,
                published[f"lod.{target}.{range_}"]["value"],
                float(limit),
            )
        )
columns = ["element", "range", "published (ppm)", "here (ppm)"]
figures.show_table(
    pd.DataFrame(rows, columns=columns),
    "Limits of detection",
    dict.fromkeys(columns[2:], "{:.4g}"),
)

# %% [markdown]
# Two numbers were set so that the geometric means over the three elements, of spiked and of field soils, agree with
# the published ones: one factor
# on the scatter of the spiked set and one on that of the field set (`tools/make/calibrate_libs.py`). Nothing else in the
# simulator was fitted to what the paper reports, and the single limits were left to fall where they fall. But look at
# the factors:

# %% tags=["hide-input"]
shot = libs.settings()["scatter"]["shot"]
teaching.sentence(
    "From shot to shot the ablated mass scatters by {high:.2g} % on the spiked soils and by {low:.2g} % on the field "
    "soils, a ratio of {ratio:.0f}.",
    high=100 * scatter["high"] * shot["ablated_mass"],
    low=100 * scatter["low"] * shot["ablated_mass"],
    ratio=scatter["low"] / scatter["high"],
)

# %% [markdown]
# To find fewer than 200 ppm of an added element on top of thousands, the sparks on the spiked soil must repeat better
# than those on the field soils by that ratio, with the same laser on the same bench. Either the reference soil held much less of the three elements than an average
# soil, or the sparks were that quiet, or the limits of the two sets were not measured in the same way. The paper does
# not say. We take its limits at their word, which favours the study: the spectra that follow are as quiet as the
# published limits ask for.
#
# ```{exercise-start}
# :label: ex-lod
# ```
# A laboratory measures a blank ten times and finds a standard deviation of 120 counts. Its calibration line rises by
# 45 counts per ppm. What is its limit of detection, in ppm?

# %%
answer_1_3 = None

# %% tags=["hide-input"]
teaching.check("1.3", answer_1_3, slope=45, blank_std=120, n_blanks=10)

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-lod
# :class: dropdown
# ```

# %%
print(f"{3 * 120 / 45:.1f} ppm")

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Where we differ from the paper, and why
#
# - **The spectra are simulated.** The measured ones are not public. Ours know no uneven plasma, no cool outer layer, no
#   drift of the laser, no dust on the lens. A model that fails here would hardly succeed in the laboratory; the
#   reverse does not hold.
# - **The reference soil** is the average soil of the world, because the total contents of the soil that was spiked are
#   not given. The chlorine of the added salts is left out: it has no line near the windows.
# - **Contents of the field soils** have the implied deviations, but their means and their shape are our assumption.
# - **Temperature and electron density** are typical values; the paper measured neither.
# - **Stark widths** (how much electrons broaden a line) are known for the strong lines and estimated for the others.
#   The spectrometer's resolution hides most of it.

# %% [markdown]
# <div class="quiz">
#
# **Quiz.** A limit of detection of 150 ppm was found on soils that hold thousands of ppm of the element anyway. What
# does it say?
#
# <details><summary>Soils with less than 150 ppm cannot be measured</summary>
# No. It was found as scatter over slope at a high content; at a low content both may differ.</details>
# <details><summary>An addition of less than 150 ppm cannot be told from the scatter of the blank</summary>
# Right. Three deviations of the blank, in units of content: what can be seen on top of it.</details>
# <details><summary>The error of a prediction is 150 ppm</summary>
# No. The error of a model also has to do with other soils and with what it has learned.</details>
#
# </div>

# %% [markdown]
# ```{exercise-start}
# :label: ex-write-1
# ```
# Write for a colleague, in five sentences: why are the twelve spiked soils a hard task, and what would you change
# about the experiment to make it an easier one? Use two numbers of this page.

# %% [markdown]
# ```{exercise-end}
# ```

# %% [markdown]
# ```{solution-start} ex-write-1
# :class: dropdown
# ```
# A good answer names the share that an addition is of the total and the optical depth of the line, and changes one of
# the two: soils that differ in their totals, or a line that is not self-absorbed. It says what the change costs. The
# [guide](lecturers_guide.md) has the rubric.

# %% [markdown]
# ```{solution-end}
# ```

# %% [markdown]
# ## Summary
#
# A LIBS spectrum is the light of a small lamp whose brightness depends on temperature, electron density and ablated
# mass, and whose lines grow with content until they swallow themselves. The spectrometer blurs lines into resolution
# elements of three to four channels; the camera adds photon noise and ends at 65,535 counts. What the study wants to
# read out of the spiked soils is a small change on a large background, and its own limits of detection say
# that the plasma must be very quiet for that. In [the next chapter](02_cnn_regression.ipynb) a small convolutional
# network tries.

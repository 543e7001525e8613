// Draws the combination of precomputed values that the controls choose. Nothing is computed here but places on a page and,
// where values were too many to precompute, the reflectance of a mixed soil.

const HEIGHT = 180; // of the field between the axes, px; drawn at the page's own size, so that labels keep theirs
const STRIP = 16;
const LABEL_ROW = 15;
const CHARACTER = 6.9; // width of one at 12 px, px
const SUPERSCRIPTS = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const DASHES = ["none", "7 3", "2 3", "9 3 2 3"];
// From dark blue to yellow in even steps of lightness, told apart in every kind of colour vision (cividis).
const HEAT = [[0, 34, 78], [53, 69, 108], [102, 105, 112], [148, 142, 119], [200, 184, 102], [254, 232, 56]];

function html(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

function unpack(text) {
  const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
  const view = new DataView(bytes.buffer);
  return Float32Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
}

// The row of a series for the chosen indices; a length of 1 means that the control has no effect on it.
function pick(series, indices) {
  if (series.mixture) return mixed(series, indices);
  const n = series.shape[series.shape.length - 1];
  const row = indices.reduce((place, index, k) => place * series.shape[k] + (series.shape[k] === 1 ? 0 : index), 0);
  return series.values.subarray(row * n, (row + 1) * n);
}

// Reflectance of the soil that the controls mix, after Kubelka and Munk: `soil_reflectance` of the simulator for a soil of
// nine constituents. Rows of values: quartz, the dry constituents, water, scattering.
function mixed({ values, shape, mixture }, indices) {
  const chosen = mixture.amounts.map((amounts, k) => amounts[indices[k]]);
  const [water, grain] = chosen.splice(-2);
  const named = chosen.reduce((sum, amount) => sum + amount, 0);
  const shares = [Math.max(1 - named, 0), ...chosen.map((amount) => amount / Math.max(named, 1)), water];
  const size = Math.sqrt(mixture.grain / grain);
  const n = shape[1];
  return Float32Array.from({ length: n }, (_, i) => {
    const absorption = shares.reduce((sum, share, k) => sum + share * values[k * n + i], 0);
    const ratio = Math.max(absorption, 1e-4) / (size * values[shares.length * n + i]);
    return mixture.surface + (1 - mixture.surface) * (1 + ratio - Math.sqrt(ratio * (ratio + 2)));
  });
}

function extent(values, fallback = [0, 1]) {
  const finite = [...values].filter(Number.isFinite);
  if (!finite.length) return fallback;
  const low = finite.reduce((a, b) => Math.min(a, b));
  const high = finite.reduce((a, b) => Math.max(a, b));
  return high > low ? [low, high] : [low - 0.5, high + 0.5];
}

const padded = ([low, high], share) => [low - share * (high - low), high + share * (high - low)];

function ticks([low, high], count) {
  const rough = (high - low) / Math.max(count, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.999);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  const places = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) places.push(i * step);
  return { places, text: (value) => minus(value.toFixed(Math.min(decimals, 20)).replace(/^-(0(\.0+)?)$/, "$1")) };
}

const minus = (text) => text.replace("-", "−");
const spoken = (value) => minus(String(Number(value.toPrecision(value >= 100 && value < 1000 ? 5 : 4))));
const exponentText = (exponent) => `× 10${[...String(exponent)].map((digit) => SUPERSCRIPTS[digit]).join("")}`;

// Large and small numbers share one power of ten, written once at the head of the axis.
function commonExponent([low, high]) {
  const exponent = Math.floor(Math.log10(Math.max(Math.abs(low), Math.abs(high))));
  return exponent >= 5 || exponent <= -3 ? exponent : 0;
}

// Labels that would overlap take turns in rows above the field.
function rowsOfLabels(markers, place, width) {
  const ends = [];
  return markers.map(([x, label]) => {
    const half = (label.length * CHARACTER) / 2;
    const centre = Math.min(Math.max(place(x), half), Math.max(width - half, half));
    let row = ends.findIndex((end) => end <= centre - half);
    if (row < 0) row = ends.push(0) - 1;
    ends[row] = centre + half + 6;
    return { x: place(x), centre, label, row };
  });
}

function heat(share) {
  const place = Math.min(Math.max(share, 0), 1) * (HEAT.length - 1);
  const i = Math.min(Math.floor(place), HEAT.length - 2);
  return `rgb(${HEAT[i].map((from, k) => Math.round(from + (place - i) * (HEAT[i + 1][k] - from))).join(" ")})`;
}

function path(points) {
  let pen = "M";
  let text = "";
  for (const [x, y] of points) {
    if (Number.isFinite(y)) text += `${pen}${x.toFixed(1)} ${y.toFixed(1)}`;
    pen = Number.isFinite(y) ? "L" : "M";
  }
  return text;
}

// An area falls to the base line at each gap.
function areaPath(points, base) {
  let text = "";
  let run = [];
  for (const point of [...points, [0, NaN]]) {
    if (Number.isFinite(point[1])) run.push(point);
    else {
      if (run.length) text += path([[run[0][0], base], ...run, [run[run.length - 1][0], base]]) + "Z";
      run = [];
    }
  }
  return text;
}

function drawSeries(kind, colour, order, points, base) {
  const style = `--colour: var(--series-${(colour % 4) + 1})`;
  const dashes = { "stroke-dasharray": DASHES[order % 4] };
  if (kind === "points") {
    const name = `series points${order % 2 ? " hollow" : ""}`;
    return points
      .filter(([, y]) => Number.isFinite(y))
      .map(([cx, cy]) => svg("circle", { class: name, style, cx, cy, r: 3.5 }));
  }
  const line = svg("path", { class: "series", style, d: path(points), ...dashes });
  return kind === "area" ? [svg("path", { class: "series area", style, d: areaPath(points, base) }), line] : [line];
}

const curvesOf = (panel) => panel.series.filter((series) => series.kind !== "strip");
const stripsOf = (panel) => panel.series.filter((series) => series.kind === "strip");
// Dashes and hollow points tell apart what shares a kind, where colour does not.
const orderOf = (curves, i) => curves.slice(0, i).filter((other) => (other.kind === "points") === (curves[i].kind === "points")).length;

function describe(panel, indices) {
  const sentences = panel.series.map((series) => {
    const values = pick(series, indices);
    const finite = [...values].filter(Number.isFinite);
    if (!finite.length) return `${series.label}: no values.`;
    const low = finite.reduce((a, b) => Math.min(a, b));
    const high = finite.reduce((a, b) => Math.max(a, b));
    return `${series.label}: from ${spoken(low)} to ${spoken(high)}, highest at ${spoken(panel.x[values.indexOf(high)])}.`;
  });
  return `${panel.title}. ${panel.y_label} over ${panel.x_label}. ${sentences.join(" ")}`;
}

function drawPanel(figure, panel, indices, width) {
  const curves = curvesOf(panel);
  const strips = stripsOf(panel);
  const left = 58;
  const right = 14;
  const inner = Math.max(width - left - right, 60);
  const hasPoints = curves.some((series) => series.kind === "points");
  const [xLow, xHigh] = padded(extent(panel.x), hasPoints ? 0.04 : 0);
  const across = (x) => ((x - xLow) / (xHigh - xLow)) * inner;
  const shown = curves.flatMap((series) => [...pick(series, indices), ...(series.kind === "area" ? [0] : [])]);
  const [yLow, yHigh] = panel.y_range ?? padded(extent(shown), 0.05);
  const down = (y) => (1 - (y - yLow) / (yHigh - yLow)) * HEIGHT;

  const inside = panel.markers.filter(([x]) => x >= xLow && x <= xHigh).sort((a, b) => a[0] - b[0]);
  const labels = rowsOfLabels(inside, across, inner);
  const exponent = commonExponent([yLow, yHigh]);
  const rows = labels.reduce((most, { row }) => Math.max(most, row + 1), 0);
  const top = rows * LABEL_ROW + (exponent ? LABEL_ROW : 0) + 8;
  const foot = HEIGHT + strips.length * (STRIP + LABEL_ROW + 6);
  const parts = [];

  const yTicks = ticks([yLow / 10 ** exponent, yHigh / 10 ** exponent], 5);
  for (const value of yTicks.places) {
    const y = down(value * 10 ** exponent);
    parts.push(svg("line", { class: "grid", x1: 0, x2: inner, y1: y, y2: y }));
    parts.push(svg("text", { x: -6, y: y + 4, "text-anchor": "end" }, yTicks.text(value)));
  }
  const xTicks = ticks([xLow, xHigh], inner / 60);
  for (const value of xTicks.places) {
    const x = across(value);
    parts.push(svg("line", { class: "axis", x1: x, x2: x, y1: foot, y2: foot + 4 }));
    parts.push(svg("text", { x, y: foot + 17, "text-anchor": "middle" }, xTicks.text(value)));
  }
  if (exponent) parts.push(svg("text", { x: 0, y: -6, "text-anchor": "end" }, exponentText(exponent)));
  parts.push(svg("text", { x: inner / 2, y: foot + 36, "text-anchor": "middle" }, panel.x_label));
  const turned = `translate(${-left + 12} ${HEIGHT / 2}) rotate(-90)`;
  parts.push(svg("text", { transform: turned, "text-anchor": "middle" }, panel.y_label));
  parts.push(svg("path", { class: "axis", d: `M0 0V${HEIGHT}H${inner}` }));

  strips.forEach((series, i) => parts.push(drawStrip(series, panel.x, pick(series, indices), across, inner, i)));
  const head = exponent ? LABEL_ROW : 0;
  for (const { x, centre, label, row } of labels) {
    const y = -head - (rows - 1 - row) * LABEL_ROW;
    parts.push(svg("line", { class: "marker", x1: x, x2: x, y1: y - 2, y2: foot }));
    parts.push(svg("text", { x: centre, y: y - 5, "text-anchor": "middle" }, label));
  }

  const clip = `clip-${Math.random().toString(36).slice(2)}`;
  const field = svg("g", { "clip-path": `url(#${clip})` });
  curves.forEach((series, i) => {
    const values = pick(series, indices);
    const points = panel.x.map((x, k) => [across(x), down(values[k])]);
    field.append(...drawSeries(series.kind, i, orderOf(curves, i), points, Math.min(Math.max(down(0), 0), HEIGHT)));
  });
  const frame = svg("rect", { x: -5, y: -5, width: inner + 10, height: HEIGHT + 10 });
  parts.push(svg("clipPath", { id: clip }, frame), field);

  figure.setAttribute("width", width);
  figure.setAttribute("height", top + foot + 42);
  figure.setAttribute("aria-label", describe(panel, indices));
  figure.replaceChildren(svg("g", { transform: `translate(${left} ${top})` }, ...parts));
}

// A row of coloured cells below the field, with its name and its colour scale above it.
function drawStrip(series, x, values, across, width, place) {
  const [low, high] = series.range;
  const y = HEIGHT + 6 + place * (STRIP + LABEL_ROW + 6) + LABEL_ROW;
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(high - low)));
  const [start, end] = series.range.map((value) => minus(String(Number(value.toFixed(decimals)))));
  const scaleEnd = width - end.length * CHARACTER - 4;
  const group = svg("g", {}, svg("text", { x: 0, y: y - 4 }, series.label), svg("text", { x: scaleEnd + 4, y: y - 4 }, end));
  group.append(svg("text", { x: scaleEnd - 54, y: y - 4, "text-anchor": "end" }, start));
  for (let k = 0; k < 10; k++) {
    group.append(svg("rect", { x: scaleEnd - 50 + 5 * k, y: y - 13, width: 5.4, height: 9, fill: heat(k / 9) }));
  }
  x.forEach((centre, k) => {
    if (!Number.isFinite(values[k])) return;
    const from = across(k ? (x[k - 1] + centre) / 2 : centre);
    const to = across(k < x.length - 1 ? (centre + x[k + 1]) / 2 : centre);
    const fill = heat((values[k] - low) / (high - low));
    group.append(svg("rect", { x: from, y, width: Math.max(to - from, 0) + 0.4, height: STRIP, fill }));
  });
  return group;
}

function legend(panel) {
  const curves = curvesOf(panel);
  const list = html("ul", { class: "legend" });
  curves.forEach((series, i) => {
    const sample = drawSeries(series.kind, i, orderOf(curves, i), series.kind === "points" ? [[14, 7]] : [[0, 7], [28, 7]], 12);
    list.append(html("li", {}, svg("svg", { width: 28, height: 14, "aria-hidden": "true" }, ...sample), series.label));
  });
  return curves.length > 1 ? [list] : [];
}

function drawControl(control, index, choose) {
  const id = `explorer-${Math.random().toString(36).slice(2)}`;
  const label = html("label", { for: id }, control.label);
  // JupyterLab would take the arrow keys for shortcuts of its own.
  const own = { id, "data-lm-suppress-shortcuts": "true" };
  if (control.kind === "choice") {
    const select = html("select", own, ...control.text.map((text, i) => html("option", { value: i }, text)));
    select.addEventListener("change", () => choose(Number(select.value)));
    return { element: html("div", { class: "control" }, label, select), show: (i) => (select.value = i) };
  }
  if (control.kind === "switch") {
    const box = html("input", { ...own, type: "checkbox" });
    box.addEventListener("change", () => choose(Number(box.checked)));
    return { element: html("div", { class: "control switch" }, box, label), show: (i) => (box.checked = i === 1) };
  }
  const slider = html("input", { ...own, type: "range", min: 0, max: control.text.length - 1, step: 1, value: index });
  const output = html("output", { for: id });
  slider.addEventListener("input", () => choose(Number(slider.value)));
  const show = (i) => {
    slider.value = i;
    slider.setAttribute("aria-valuetext", control.text[i]);
    output.textContent = control.text[i];
  };
  return { element: html("div", { class: "control" }, label, output, slider), show };
}

// Where the page itself computes a curve: at which place it differs most from the other, and by how much.
function compared(panel, indices) {
  const [chosen, other] = panel.series.map((series) => pick(series, indices));
  const shares = [...chosen].map((value, i) => value / other[i] - 1);
  const most = shares.reduce((best, share, i) => (Math.abs(share) > Math.abs(shares[best]) ? i : best), 0);
  const per = minus(`${shares[most] > 0 ? "+" : ""}${(100 * shares[most]).toFixed(1)} %`);
  if (Math.abs(shares[most]) < 5e-4) return `No difference: ${panel.series[0].label} is ${panel.series[1].label}.`;
  return `Largest difference at ${spoken(panel.x[most])}: ${spoken(chosen[most])} in place of ${spoken(other[most])} (${per}).`;
}

function render({ model, el }) {
  const { controls, panels, caption, question, answers } = model.get("specification");
  const prepared = panels.map((panel) => ({
    ...panel,
    series: panel.series.map((series) => ({ ...series, values: unpack(series.data) })),
  }));
  const choose = (k) => (index) => {
    model.set("indices", model.get("indices").map((old, i) => (i === k ? index : old)));
    model.save_changes();
  };
  const inputs = controls.map((control, k) => drawControl(control, model.get("indices")[k], choose(k)));
  const figures = prepared.map(() => svg("svg", { role: "img" }));
  const boxes = prepared.map((panel, i) =>
    html("div", { class: "panel" }, html("p", { class: "panel-title" }, panel.title), ...legend(panel), figures[i]),
  );
  const root = html("figure", { class: "spectrakit-explorer" });
  if (question) root.append(html("p", { class: "question" }, question));
  root.append(html("div", { class: "controls" }, ...inputs.map(({ element }) => element)));
  root.append(html("div", { class: "panels" }, ...boxes));
  const answer = html("p", { class: "answer", "aria-live": "polite" });
  if (question) root.append(answer);
  if (caption) root.append(html("figcaption", {}, caption));
  el.append(root);

  const draw = () => {
    const indices = model.get("indices");
    inputs.forEach(({ show }, k) => show(indices[k]));
    const place = indices.reduce((row, index, k) => row * controls[k].text.length + index, 0);
    if (question) answer.textContent = answers ? answers[place] : compared(prepared[0], indices);
    prepared.forEach((panel, i) => {
      if (boxes[i].clientWidth) drawPanel(figures[i], panel, indices, boxes[i].clientWidth);
    });
  };
  const observer = new ResizeObserver(draw);
  observer.observe(root);
  model.on("change:indices", draw);
  draw();
  return () => {
    observer.disconnect();
    model.off("change:indices", draw);
  };
}

export default { render };

// The spectra of two cubes at one place, as a small chart beside them.

const MISSING = 65535; // the code of a sample without data
const EDGE = { left: 46, right: 10, top: 8, bottom: 34 }; // around the chart, for its numbers
const chart = element("chart");
const axes = element("ticks");

const spot = { column: -1, row: -1 }; // on the grid of pixels whose spectra the page carries
let codes = { of: -1, values: null }; // of one pair, decoded

// ---- which place

function tellSpectra() {
  const table = pair().spectra;
  element("spectra").hidden = element("keys-spectra").hidden = !table;
  if (!table) return;
  codes = { of: chosen, values: decoded(element(`spectra-${chosen}`).textContent) };
  const inside = spot.column < table.columns && spot.row < table.rows;
  if (spot.row >= 0 && inside) return; // the same place as in the last pair
  goTo(Math.floor(table.columns / 2), Math.floor(table.rows / 2));
}

function decoded(text) {
  const bytes = atob(text);
  const values = new Uint16Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++)
    values[i] = bytes.charCodeAt(2 * i) | (bytes.charCodeAt(2 * i + 1) << 8);
  return values;
}

function goTo(column, row) {
  const { columns, rows } = pair().spectra;
  spot.column = clamp(column, 0, columns - 1);
  spot.row = clamp(row, 0, rows - 1);
}

function pointSpectra({ x, y }) {
  const table = chosen >= 0 && pair().spectra;
  if (!table || !shows.spectra) return;
  const across = (x - view.x) / (view.scale * pair().width);
  const down = (y - view.y) / (view.scale * pair().height);
  if (Math.min(across, down) < 0 || Math.max(across, down) >= 1) return;
  const { width, height, step } = table;
  goTo(Math.floor(Math.floor(across * width) / step), Math.floor(Math.floor(down * height) / step));
  drawSpectra();
}

function moveSpectra(event) {
  const by = event.shiftKey ? 10 : 1;
  const moves = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by] };
  if (!Object.hasOwn(moves, event.key)) return;
  event.preventDefault();
  goTo(spot.column + moves[event.key][0], spot.row + moves[event.key][1]);
  drawSpectra();
}

// The pixel of the cube that is meant.
function pixel() {
  const { step } = pair().spectra;
  const half = Math.floor(step / 2);
  return { x: spot.column * step + half, y: spot.row * step + half };
}

// ---- what is there

function spectrum(side) {
  const { rows, columns, axis, low, high } = pair().spectra;
  const from = ((side * rows + spot.row) * columns + spot.column) * axis.length;
  return [...codes.values.subarray(from, from + axis.length)].map((code) =>
    code === MISSING ? null : low + (code / (MISSING - 1)) * (high - low),
  );
}

// Degrees between two spectra, of the bands that both have; NaN if one is black.
function angleBetween(first, second) {
  let product = 0, a = 0, b = 0;
  for (const [band, x] of first.entries()) {
    const y = second[band];
    if (x === null || y === null) continue;
    product += x * y;
    a += x * x;
    b += y * y;
  }
  const cosine = product / (Math.sqrt(a) * Math.sqrt(b));
  return (Math.acos(clamp(cosine, -1, 1)) * 180) / Math.PI;
}

// ---- drawing

function drawSpectra() {
  const table = chosen >= 0 && pair().spectra;
  const seen = Boolean(table && shows.spectra && codes.of === chosen);
  element("panel").hidden = element("spot").hidden = !seen;
  if (!seen) return;
  const { x, y } = pixel();
  const onPage = { "spot-x": ["x", x, "width"], "spot-y": ["y", y, "height"] };
  for (const [name, [corner, at, side]] of Object.entries(onPage)) {
    const scale = (view.scale * pair()[side]) / table[side];
    stage.style.setProperty(`--${name}`, view[corner] + (at + 0.5) * scale);
  }
  const both = [spectrum(0), spectrum(1)];
  const angle = angleBetween(...both);
  const turned = Number.isNaN(angle) ? "" : `, ${angle.toFixed(2)}° apart`;
  element("place").textContent = `x ${x}, y ${y}${turned}`;
  chart.setAttribute("aria-label", `Spectra before and after at x ${x}, y ${y}`);
  drawChart(table, both);
}

function drawChart({ axis, unit }, both) {
  const { clientWidth: width, clientHeight: height } = chart;
  const values = both.flat().filter((value) => value !== null);
  const bottom = Math.min(0, ...values);
  const top = Math.max(...values, bottom) > bottom ? Math.max(...values) : bottom + 1;
  const first = axis[0];
  const last = axis.at(-1) > first ? axis.at(-1) : first + 1;
  const across = (value) =>
    EDGE.left + ((value - first) / (last - first)) * (width - EDGE.left - EDGE.right);
  const up = (value) =>
    height - EDGE.bottom - ((value - bottom) / (top - bottom)) * (height - EDGE.top - EDGE.bottom);
  axes.replaceChildren();
  for (const value of ticks(bottom, top, Math.max(2, height / 50))) {
    mark("line", { x1: EDGE.left, x2: width - EDGE.right, y1: up(value), y2: up(value) });
    mark("text", { x: EDGE.left - 6, y: up(value), class: "up" }, short(value));
  }
  for (const value of ticks(first, last, Math.max(2, width / 70)))
    mark("text", { x: across(value), y: height - EDGE.bottom + 16, class: "across" }, short(value));
  mark("text", { x: width - EDGE.right, y: height - 3, class: "unit" }, unit);
  for (const [side, name] of ["line-before", "line-after"].entries())
    element(name).setAttribute("d", outline(axis, both[side], across, up));
}

// A line through all samples, broken where there is none.
function outline(axis, samples, across, up) {
  let text = "";
  let command = "M";
  for (const [band, value] of samples.entries()) {
    if (value === null) {
      command = "M";
      continue;
    }
    text += `${command}${across(axis[band]).toFixed(2)} ${up(value).toFixed(2)}`;
    if (command === "M") text += "h0"; // a sample by itself is a dot
    command = "L";
  }
  return text;
}

function mark(kind, attributes, text = "") {
  const made = document.createElementNS(chart.namespaceURI, kind);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.textContent = text;
  axes.append(made);
}

// Round numbers from low to high, about so many.
function ticks(low, high, count) {
  const raw = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const found = [];
  for (let n = Math.ceil(low / step - 1e-9); n <= high / step + 1e-9; n++) found.push(n * step + 0);
  return found;
}

function short(value) {
  const notation = Math.abs(value) >= 1e5 ? "compact" : "standard";
  return value.toLocaleString("en", { maximumSignificantDigits: 4, notation, useGrouping: false });
}

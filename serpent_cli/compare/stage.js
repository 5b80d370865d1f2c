"use strict";
// What is seen: a few numbers and switches, and draw(), which hands them to the style sheet.

const element = (id) => document.getElementById(id);
const stage = element("stage");
const slider = element("slider");
const canvas = element("canvas");
const pairs = [...document.querySelectorAll("script.pair")].map((block) =>
  JSON.parse(block.textContent),
);

const SHARP = 2; // from this enlargement on pixels are shown as squares
const DEEPEST = 32;
const LEVELS = [1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8, 16, DEEPEST];
const CANVAS_PIXELS = 16e6; // what telephones allow
const CANVAS_SIDE = 8192;

// scale: screen units per pixel of the picture; x, y: its corner on the stage;
// split: share of the visible part of the picture that shows before.
const view = { scale: 1, x: 0, y: 0, split: 0.5, fitted: true };
const shows = { holding: false, difference: false, nearest: false, spectra: true };
let chosen = -1; // the pair that is shown
let wanted = -1; // the pair that is being decoded
let room = { width: 1, height: 1 };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const pair = () => pairs[chosen];
// Percentages speak of the screen's own pixels, of which a unit of CSS may have several.
const dots = () => window.devicePixelRatio || 1;

// ---- geometry

function fitScale() {
  const { width, height } = pair();
  const fit = Math.min(room.width / width, room.height / height) * dots();
  // Small pictures grow by whole numbers only: else their pixels differ in size.
  return (fit > 1 ? Math.floor(fit) : fit) / dots();
}

function inside(corner, length, available) {
  const free = available - length;
  const kept = free >= 0 ? free / 2 : clamp(corner, free, 0);
  return Math.round(kept * dots()) / dots();
}

function place() {
  const { width, height } = pair();
  if (view.fitted) view.scale = fitScale();
  view.x = inside(view.x, width * view.scale, room.width);
  view.y = inside(view.y, height * view.scale, room.height);
}

function visible() {
  const { width, height } = pair();
  const left = Math.max(0, view.x);
  const top = Math.max(0, view.y);
  const right = Math.min(room.width, view.x + width * view.scale);
  const bottom = Math.min(room.height, view.y + height * view.scale);
  return { left, top, right, bottom };
}

function zoomTo(scale, x = room.width / 2, y = room.height / 2) {
  const lowest = fitScale();
  const next = clamp(scale, lowest, Math.max(lowest, DEEPEST / dots()));
  const factor = next / view.scale;
  view.fitted = next === lowest;
  view.scale = next;
  view.x = x - (x - view.x) * factor;
  view.y = y - (y - view.y) * factor;
  draw();
}

function step(direction) {
  const now = view.scale * dots();
  const next =
    direction > 0
      ? LEVELS.find((level) => level > now * 1.001)
      : LEVELS.findLast((level) => level < now * 0.999);
  if (next) zoomTo(next / dots());
}

function splitAt(x) {
  const { left, right } = visible();
  view.split = clamp((x - left) / (right - left), 0, 1);
  draw();
}

// ---- drawing

function draw() {
  if (chosen < 0) return;
  place();
  const { left, top, right, bottom } = visible();
  const split = Math.round((left + view.split * (right - left)) * dots()) / dots();
  const numbers = {
    width: pair().width, height: pair().height, x: view.x, y: view.y, scale: view.scale,
    left, top, right: room.width - right, bottom: room.height - bottom, split, gain: gain(),
  };
  for (const [name, value] of Object.entries(numbers)) stage.style.setProperty(`--${name}`, value);
  const classes = {
    large: isLarge(), sharp: view.scale * dots() >= SHARP, "see-through": pair().alpha,
    holding: shows.holding, difference: shows.difference,
  };
  for (const [name, on] of Object.entries(classes)) stage.classList.toggle(name, on);
  element("tag-before").classList.toggle("covered", split - left < 90 && !shows.holding);
  element("tag-after").classList.toggle("covered", right - split < 90);
  drawControls();
  drawSpectra();
}

function drawControls() {
  const percent = Math.round(view.split * 100);
  slider.setAttribute("aria-valuenow", percent);
  slider.setAttribute("aria-valuetext", `${percent} % before, ${100 - percent} % after`);
  const zoom = view.scale * dots() * 100;
  element("level").textContent = `${zoom < 10 ? zoom.toFixed(1) : Math.round(zoom)} %`;
  element("hold").setAttribute("aria-pressed", shows.holding);
  element("difference").setAttribute("aria-pressed", shows.difference);
  element("nearest").setAttribute("aria-pressed", shows.nearest);
  element("spectra").setAttribute("aria-pressed", shows.spectra);
  element("gain").hidden = !shows.difference;
  element("gain").querySelector("output").textContent = `× ${gain()}`;
}

function isLarge() {
  const { width, height } = pair();
  return width * view.scale > room.width + 0.5 || height * view.scale > room.height + 0.5;
}

function gain() {
  return 2 ** Number(element("gain").querySelector("input").value);
}

function drawDifference() {
  if (!shows.difference || chosen < 0) return;
  const { width, height } = pair();
  const share = Math.min(
    1, CANVAS_SIDE / Math.max(width, height), Math.sqrt(CANVAS_PIXELS / (width * height)),
  );
  canvas.width = Math.max(1, Math.floor(width * share));
  canvas.height = Math.max(1, Math.floor(height * share));
  const brush = canvas.getContext("2d");
  brush.drawImage(flat(element("before").firstChild), 0, 0);
  brush.globalCompositeOperation = "difference";
  brush.drawImage(flat(element("after").firstChild), 0, 0);
}

// On black: a difference of half transparent colours would count their transparency twice.
function flat(image) {
  const sheet = document.createElement("canvas");
  sheet.width = canvas.width;
  sheet.height = canvas.height;
  const brush = sheet.getContext("2d");
  brush.fillRect(0, 0, sheet.width, sheet.height);
  brush.imageSmoothingEnabled = !image.classList.contains("raw");
  brush.drawImage(image, 0, 0, sheet.width, sheet.height);
  return sheet;
}

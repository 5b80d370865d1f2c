// What is done: a picture is chosen, and hands, wheels and keys change what is seen.

// ---- choosing a picture

function loaded(number, side) {
  const image = new Image();
  const raw = shows.nearest && pairs[number].enlarged === side && element(`raw-${number}`);
  image.src = (raw || element(`${side}-${number}`)).textContent;
  image.alt = `${side}: ${pairs[number][side]}`;
  image.draggable = false;
  image.classList.toggle("raw", Boolean(raw));
  return image.decode().then(() => image);
}

async function choose(number) {
  wanted = number;
  stage.setAttribute("aria-busy", "true");
  element("message").textContent = "";
  let images;
  try {
    images = await Promise.all([loaded(number, "before"), loaded(number, "after")]);
  } catch {
    if (wanted === number) element("message").textContent = "The browser cannot show this picture.";
    return;
  }
  if (wanted !== number) return; // another one was chosen meanwhile
  element("before").replaceChildren(images[0]);
  element("after").replaceChildren(images[1]);
  const last = pair();
  chosen = number;
  // The same place of the next picture, where it has one.
  if (!last || last.width !== pair().width || last.height !== pair().height) view.fitted = true;
  tell();
  draw();
  drawDifference();
  stage.setAttribute("aria-busy", "false");
}

function tell() {
  const { name, before, after, distance, notes } = pair();
  const texts = { name, "about-before": before, "about-after": after, distance };
  for (const [id, text] of Object.entries(texts)) element(id).textContent = text;
  element("notes").textContent = notes.map((note) => `${note}.`).join(" ");
  element("nearest").hidden = !element(`raw-${chosen}`);
  tellSpectra();
  for (const [number, button] of [...element("strip").children].entries()) {
    button.setAttribute("aria-current", number === chosen);
    if (number === chosen) button.scrollIntoView({ block: "nearest", inline: "nearest" });
  }
}

function fillStrip() {
  element("strip").hidden = element("keys-strip").hidden = pairs.length < 2;
  if (pairs.length < 2) return;
  for (const [number, { name, thumbnail, distance }] of pairs.entries()) {
    const button = document.createElement("button");
    const image = new Image();
    const label = document.createElement("span");
    image.src = thumbnail;
    image.alt = "";
    label.textContent = name;
    button.title = [name, distance].filter(Boolean).join(", ");
    button.append(image, label);
    button.addEventListener("click", () => choose(number));
    element("strip").append(button);
  }
}

// ---- hands

const pointers = new Map();
let gesture = null; // "slide" or "pan"; two pointers pinch

function onStage(event) {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
}

function pointerDown(event) {
  if (chosen < 0 || (event.pointerType === "mouse" && event.button !== 0)) return;
  pointSpectra(onStage(event)); // a finger is not seen before it touches
  stage.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, onStage(event));
  if (pointers.size > 1) return;
  const grasped = slider.contains(event.target);
  gesture = grasped || !isLarge() ? "slide" : "pan";
  if (gesture === "slide" && !shows.difference) {
    slider.focus({ preventScroll: true });
    if (!grasped) splitAt(onStage(event).x);
  }
}

function pointerMove(event) {
  pointSpectra(onStage(event));
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const now = onStage(event);
  if (pointers.size === 2) pinch(event.pointerId, before, now);
  else if (pointers.size === 1 && gesture === "slide") splitAt(now.x);
  else if (pointers.size === 1) {
    view.x += now.x - before.x;
    view.y += now.y - before.y;
    draw();
  }
  pointers.set(event.pointerId, now);
}

function pinch(id, before, now) {
  const other = [...pointers].find(([key]) => key !== id)[1];
  const far = (a, b) => Math.max(1, Math.hypot(a.x - b.x, a.y - b.y));
  gesture = "pan"; // the finger that stays goes on with the picture, not with the slider
  view.x += (now.x - before.x) / 2;
  view.y += (now.y - before.y) / 2;
  const middle = { x: (now.x + other.x) / 2, y: (now.y + other.y) / 2 };
  zoomTo(view.scale * (far(now, other) / far(before, other)), middle.x, middle.y);
}

function wheel(event) {
  event.preventDefault();
  if (chosen < 0) return;
  const { x, y } = onStage(event);
  const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 30 : 1;
  // A pinch on a touchpad comes as a wheel with the control key, in small steps.
  const speed = event.ctrlKey ? 0.01 : 0.002;
  zoomTo(view.scale * Math.exp(-event.deltaY * lines * speed), x, y);
}

function slide(event) {
  const by = event.shiftKey ? 0.1 : 0.01;
  const moves = {
    ArrowLeft: -by, ArrowDown: -by, ArrowRight: by, ArrowUp: by, PageDown: -0.1, PageUp: 0.1,
    Home: -1, End: 1,
  };
  if (!(event.key in moves)) return;
  event.preventDefault();
  view.split = clamp(Math.round((view.split + moves[event.key]) * 100) / 100, 0, 1);
  draw();
}

function toggle(name, on = !shows[name]) {
  if (shows[name] === on) return;
  shows[name] = on;
  draw();
  if (name === "difference") drawDifference();
  if (name === "nearest" && chosen >= 0) choose(chosen);
}

const KEYS = {
  "+": () => step(1), "=": () => step(1), "-": () => step(-1),
  0: () => zoomTo(0), 1: () => zoomTo(1 / dots()),
  d: () => toggle("difference"), b: () => element("nearest").hidden || toggle("nearest"),
  s: () => element("spectra").hidden || toggle("spectra"),
  n: () => choose(Math.min(wanted + 1, pairs.length - 1)),
  p: () => choose(Math.max(wanted - 1, 0)),
};

function keyDown(event) {
  if (chosen < 0 || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " ") {
    // A button that was reached by keyboard is pressed by space, as everywhere.
    const other = event.target.matches("button:focus-visible:not(#hold)");
    if (other) return;
    event.preventDefault();
    toggle("holding", true);
  } else if (Object.hasOwn(KEYS, event.key.toLowerCase())) KEYS[event.key.toLowerCase()]();
}

function listen() {
  stage.addEventListener("pointerdown", pointerDown);
  stage.addEventListener("pointermove", pointerMove);
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"])
    stage.addEventListener(end, (event) => pointers.delete(event.pointerId));
  // Else the browser takes the focus from the slider again, or selects what the mouse passes.
  stage.addEventListener("mousedown", (event) => event.preventDefault());
  stage.addEventListener("wheel", wheel, { passive: false });
  slider.addEventListener("keydown", slide);
  element("panel").addEventListener("keydown", moveSpectra);
  const hold = element("hold");
  hold.addEventListener("pointerdown", () => toggle("holding", true));
  for (const end of ["pointerup", "pointercancel", "pointerleave"])
    hold.addEventListener(end, () => toggle("holding", false));
  hold.addEventListener("contextmenu", (event) => event.preventDefault());
  const clicks = { difference: KEYS.d, nearest: KEYS.b, spectra: KEYS.s, in: KEYS["+"], out: KEYS["-"], fit: KEYS[0], level: KEYS[1] };
  for (const [id, act] of Object.entries(clicks)) element(id).addEventListener("click", act);
  element("gain").addEventListener("input", draw);
  document.addEventListener("keydown", keyDown);
  document.addEventListener("keyup", (event) => event.key === " " && toggle("holding", false));
  window.addEventListener("blur", () => toggle("holding", false));
}

listen();
fillStrip();
new ResizeObserver(() => {
  const old = room;
  room = { width: stage.clientWidth, height: stage.clientHeight };
  // What was in the middle stays in the middle.
  view.x += (room.width - old.width) / 2;
  view.y += (room.height - old.height) / 2;
  draw();
}).observe(stage);
new ResizeObserver(drawSpectra).observe(element("chart"));
choose(0);

"use strict";
// One picture at a time: sent, restored, and shown beside itself in the page of `serpent compare`.

const element = (id) => document.getElementById(id);
const place = element("place");
let turn = 0; // a picture that is dropped later wins
let shown = []; // addresses of what is shown

// A server that asks for a token is opened as http://host:port/#token=...
const token = new URLSearchParams(location.hash.slice(1)).get("token");

function say(text, wrong = false) {
  element("message").textContent = text;
  element("message").classList.toggle("wrong", wrong);
}

async function post(address, body) {
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  const answer = await fetch(address, { method: "POST", headers, body });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({ error: `the server said ${answer.status}` }));
  throw new Error([said.error, said.hint].filter(Boolean).join(". "));
}

function keep(content) {
  const address = URL.createObjectURL(content);
  shown.push(address);
  return address;
}

async function restore(file) {
  const mine = ++turn;
  const begun = performance.now();
  say(`restoring ${file.name} …`);
  element("save").hidden = true;
  try {
    const [task, query = ""] = element("task").value.split("?");
    const options = new URLSearchParams(query);
    options.set("name", file.name);
    const answer = await post(`${task}?${options}`, file);
    const facts = JSON.parse(answer.headers.get("Serpent-Result"));
    const result = await answer.blob();
    const both = new URLSearchParams({ split: file.size, name: file.name });
    const page = await (await post(`compare?${both}`, new Blob([file, result]))).blob();
    if (mine !== turn) return;
    for (const address of shown.splice(0)) URL.revokeObjectURL(address);
    const frame = document.createElement("iframe");
    frame.title = "Before and after";
    // Else a picture that is dropped there would take the frame's place.
    frame.addEventListener("load", () => takeDrops(frame.contentDocument));
    frame.src = keep(page);
    place.replaceChildren(frame);
    place.classList.add("full");
    element("save").href = keep(result);
    const suffix = result.type.split("/")[1].replace("jpeg", "jpg").replace("tiff", "tif");
    element("save").download = `${file.name.replace(/\.[^.]*$/, "")}_restored.${suffix}`;
    element("save").hidden = false;
    const seconds = ((performance.now() - begun) / 1000).toFixed(1);
    say([`${file.name}: ${facts.width} × ${facts.height} pixels, ${seconds} s`, ...facts.warnings].join(". "));
  } catch (error) {
    if (mine === turn) say(error.message, true);
  }
}

element("file").addEventListener("change", (event) => {
  if (event.target.files.length) restore(event.target.files[0]);
  event.target.value = "";
});

function takeDrops(page) {
  for (const name of ["dragenter", "dragover"])
    page.addEventListener(name, (event) => {
      event.preventDefault();
      place.classList.add("over");
    });
  for (const name of ["dragleave", "drop"])
    page.addEventListener(name, () => place.classList.remove("over"));
  page.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) restore(event.dataTransfer.files[0]);
  });
}

takeDrops(document);

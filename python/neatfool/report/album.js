"use strict";
// What a report knows of each image, by the fragment of its permalink.
const entries = new Map();
for (const block of document.querySelectorAll("script.entries")) {
  for (const [anchor, entry] of Object.entries(JSON.parse(block.textContent))) entries.set(anchor, {...entry, ...block.dataset});
}

const element = (tag, attributes = {}, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
const drawn = (tag, attributes, ...children) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
};

// The state of the page is in the fragment: "#class-506&q=fish&group=fooled&sort=class&layout=plate".
const read = () => {
  const parts = location.hash.slice(1).split("&").filter(Boolean);
  return {anchor: parts.find(part => !part.includes("=")) ?? "", fields: new URLSearchParams(parts.filter(part => part.includes("=")).join("&"))};
};
const write = (anchor, fields) => {
  const kept = new URLSearchParams([...fields].filter(([, value]) => value)).toString();
  history.replaceState(null, "", "#" + [anchor, kept].filter(Boolean).join("&"));
};

// The images: search, groups, order, and one stop for the Tab key with arrow keys between them.
const tiles = () => [...document.querySelectorAll(".tile")].filter(tile => tile.offsetParent);
const album = document.querySelector(".elites");
const form = album?.querySelector("form");
const orders = {
  "": (a, b) => b.dataset.confidence - a.dataset.confidence,
  class: (a, b) => a.dataset.class - b.dataset.class,
  generation: (a, b) => b.dataset.generation - a.dataset.generation,
};
const show = () => {
  const values = Object.fromEntries(new FormData(form));
  const wanted = (values.q ?? "").trim().toLowerCase();
  let shown = 0;
  for (const item of album.querySelectorAll("[data-class]")) {
    item.hidden = !`${item.querySelector(".name").textContent} #${item.dataset.class}`.toLowerCase().includes(wanted);
    shown += !item.hidden && (!values.group || item.closest(".group").dataset.group === values.group);
  }
  for (const group of album.querySelectorAll(".group")) {
    const list = group.querySelector("ol");
    list.append(...[...list.children].sort(orders[values.sort] ?? orders[""]));
    group.hidden = (values.group && group.dataset.group !== values.group) || ![...list.children].some(item => !item.hidden);
  }
  const nothing = album.querySelector(".nothing");
  nothing.hidden = shown > 0;
  nothing.textContent = shown ? "" : `No class matches “${values.q}”${values.group ? " among these" : ""}.`;
  album.classList.toggle("plate", values.layout === "plate");
  rove(tiles()[0]);
};
const rove = stop => {
  for (const tile of document.querySelectorAll(".tile")) tile.tabIndex = tile === stop ? 0 : -1;
};
const neighbour = (tile, key) => {
  const all = tiles(), place = all.indexOf(tile);
  if (key === "Home") return all[0];
  if (key === "End") return all.at(-1);
  if (key === "ArrowLeft" || key === "ArrowRight") return all[place + (key === "ArrowLeft" ? -1 : 1)];
  const here = tile.getBoundingClientRect(), down = key === "ArrowDown";
  const rows = all.filter(other => down ? other.getBoundingClientRect().top > here.bottom : other.getBoundingClientRect().bottom < here.top);
  const far = other => Math.abs(other.getBoundingClientRect().top - here.top) * 1e3 + Math.abs(other.getBoundingClientRect().left - here.left);
  return rows.reduce((best, other) => !best || far(other) < far(best) ? other : best, undefined);
};
if (form) {
  form.hidden = false;
  form.addEventListener("input", () => { show(); write(read().anchor, new FormData(form)); });
  form.addEventListener("submit", event => event.preventDefault());
  album.addEventListener("keydown", event => {
    const tile = event.target.closest(".tile");
    const next = tile && /^(Arrow|Home$|End$)/.test(event.key) && neighbour(tile, event.key);
    if (!next) return;
    event.preventDefault();
    rove(next);
    next.focus();
  });
}

// The network that draws an image, each node with what it computes over the picture.
const functions = {
  sine: Math.sin, cosine: Math.cos, tanh: Math.tanh,
  sigmoid: v => 2 / (1 + Math.exp(-v)) - 1,
  gaussian: v => Math.exp(-v * v),
  linear: v => Math.max(-3, Math.min(3, v)) / 3,
  absolute: v => Math.min(Math.abs(v), 3) / 3,
  relu: v => Math.max(0, Math.min(3, v)) / 3,
  triangle: v => 1 - Math.abs(((v + 1) % 4 + 4) % 4 - 2),
};
const INPUTS = ["x", "y", "distance", "bias"];
const SIDE = 40;

// The nodes that an output depends on, each after those that it depends on, with its distance from the inputs.
const layered = genome => {
  const depth = new Map(INPUTS.map((_, id) => [id, 0]));
  const visit = id => {
    if (!depth.has(id)) depth.set(id, 1 + Math.max(0, ...genome.connections.filter(edge => edge.enabled && edge.target === id).map(edge => visit(edge.source))));
    return depth.get(id);
  };
  const outputs = genome.nodes.slice(0, genome.outputs).map(node => node.id);
  outputs.forEach(visit);
  const last = Math.max(...outputs.map(id => depth.get(id)));
  for (const id of outputs) depth.set(id, last);
  return depth;
};

// What every node computes over the picture.
const computed = (genome, entry, depth) => {
  const values = new Map(INPUTS.map((_, id) => [id, new Float64Array(SIDE * SIDE)]));
  const scale = side => entry.coordinates === "pixel" ? unit => (unit + 1) / 2 * (side - 1) : unit => unit;
  const across = scale(+entry.width), downward = scale(+entry.height);
  for (let row = 0; row < SIDE; row++) for (let column = 0; column < SIDE; column++) {
    const x = 2 * column / (SIDE - 1) - 1, y = 2 * row / (SIDE - 1) - 1;
    [across(x), downward(y), Math.hypot(x, y), 1].forEach((value, id) => values.get(id)[row * SIDE + column] = value);
  }
  for (const [id] of depth) {
    if (values.has(id)) continue;
    const sums = new Float64Array(SIDE * SIDE);
    for (const edge of genome.connections) if (edge.enabled && edge.target === id) {
      values.get(edge.source).forEach((value, at) => sums[at] += edge.weight * value);
    }
    values.set(id, sums.map(functions[genome.nodes.find(node => node.id === id).activation]));
  }
  return values;
};

const asPicture = (values, [low, high]) => {
  const canvas = element("canvas", {width: SIDE, height: SIDE}), context = canvas.getContext("2d");
  const pixels = context.createImageData(SIDE, SIDE);
  values.forEach((value, at) => pixels.data.set([...Array(3).fill(255 * (value - low) / (high - low || 1)), 255], 4 * at));
  context.putImageData(pixels, 0, 0);
  return canvas.toDataURL();
};

const graph = (genome, entry) => {
  const depth = layered(genome), values = computed(genome, entry, depth), columns = [];
  for (const [id, column] of depth) (columns[column] ??= []).push(id);
  const filled = columns.filter(Boolean), high = Math.max(...filled.map(ids => ids.length));
  const width = 78 * filled.length, height = 66 * high, places = new Map();
  filled.forEach((ids, column) => ids.forEach((id, row) => places.set(id, [78 * column + 39, height * (row + .5) / ids.length - 4])));
  const names = new Map(genome.nodes.map(node => [node.id, node.activation]));
  INPUTS.forEach((name, id) => names.set(id, name));
  const drawing = drawn("svg", {viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `The network that draws it: ${genome.nodes.length} nodes, ${genome.connections.length} connections`});
  for (const edge of genome.connections) {
    const from = places.get(edge.source), to = places.get(edge.target);
    if (!edge.enabled || !from || !to) continue;
    const bend = (from[0] + to[0]) / 2;
    drawing.append(drawn("path", {d: `M${from} C${bend},${from[1]} ${bend},${to[1]} ${to}`, fill: "none", stroke: `var(--${edge.weight < 0 ? "c2" : "c1"})`, "stroke-width": Math.min(4, .6 + Math.abs(edge.weight) / 3), opacity: .6}));
  }
  for (const [id, [x, y]] of places) {
    const range = id < 3 ? [Math.min(...values.get(id)), Math.max(...values.get(id))] : [-1, 1];
    drawing.append(
      drawn("image", {href: asPicture(values.get(id), range), x: x - 20, y: y - 20, width: 40, height: 40}),
      drawn("rect", {x: x - 20, y: y - 20, width: 40, height: 40, fill: "none", stroke: "var(--rule)"}),
      drawn("text", {x, y: y + 30, "text-anchor": "middle", fill: "var(--muted)"}, names.get(id)),
    );
  }
  return drawing;
};

// The large view.
const dialog = document.querySelector("dialog.view");
let opener = null;
const bars = entry => {
  const list = element("dl", {class: "bars"});
  for (const [name, share, width, own] of entry.top) {
    const kind = own ? "own" : "other";
    list.append(
      element("dt", {class: kind}, name),
      element("dd", {}, element("span", {class: "meter"}, element("span", {style: `width:${width}%`}))),
      element("dd", {class: kind}, share),
    );
  }
  return list;
};
const film = entry => {
  const {image, frames} = entry.film, list = element("ol", {class: "film", tabindex: 0});
  frames.forEach(([generation, from], place) => {
    const frame = element("i", {class: entry.pixelated ? "pixelated" : "smooth"});
    frame.style.backgroundImage = `url("${image}")`;
    frame.style.backgroundSize = `${100 * frames.length}% 100%`;
    frame.style.backgroundPosition = `${frames.length > 1 ? 100 * place / (frames.length - 1) : 0}% 0`;
    list.append(element("li", {}, frame, `gen ${generation}, ${generation ? "from " : ""}${from}`));
  });
  return list;
};
const save = (text, name, kind, label) => {
  const button = element("button", {type: "button"}, label);
  button.addEventListener("click", () => {
    const address = URL.createObjectURL(new Blob([text], {type: kind}));
    element("a", {href: address, download: name}).click();
    setTimeout(() => URL.revokeObjectURL(address), 1e3);
  });
  return button;
};
const copy = text => {
  const button = element("button", {type: "button"}, "Copy genome");
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
    catch { button.textContent = "The browser does not let pages copy"; }
  });
  return button;
};
const fill = (anchor, entry) => {
  const turn = (text, label, key) => {
    const button = element("button", {type: "button", "aria-label": label}, text);
    button.addEventListener("click", () => step(key));
    return button;
  };
  const close = element("button", {type: "button"}, "Close");
  close.addEventListener("click", () => dialog.close());
  const title = element("h2", {id: "view-name"}, entry.name, " ", element("span", {class: "small"}, `#${entry.class}`));
  const left = element("div"), right = element("div");
  if (entry.image) left.append(element("img", {class: `picture${entry.pixelated ? " pixelated" : ""}`, src: entry.image, alt: document.getElementById(anchor).querySelector("img").alt}));
  left.append(element("p", {class: "note"}, `Evolved for ${entry.name}: ${entry.confidence} confidence, ${entry.unit} ${entry.generation}.`));
  if (entry.top.length) right.append(element("h3", {}, "What the classifier sees"), bars(entry));
  if (entry.film) right.append(element("h3", {}, entry.film.length > 1 ? `Its ${entry.film.length - 1} ancestors, and for which class each parent was kept` : "It is of the random start"), film(entry));
  else if (entry.noAncestors) right.append(element("h3", {}, "Ancestors"), element("p", {class: "note"}, entry.noAncestors));
  if (entry.photographs.length) {
    right.append(element("h3", {}, `Real images of ${entry.name}`), element("div", {class: "photographs"}, ...entry.photographs.map(source => element("img", {src: source, alt: `A real ${entry.name}`}))));
  }
  if (entry.genome) {
    const text = JSON.stringify(entry.genome);
    right.append(
      element("h3", {}, `The network that draws it: ${entry.genome.nodes.length} nodes, ${entry.genome.connections.length} connections`),
      element("div", {class: "graph", tabindex: 0}, graph(entry.genome, entry)),
      element("div", {class: "genes"}, copy(text), save(text, `${anchor}.json`, "application/json", "Download genome")),
    );
  }
  dialog.replaceChildren(
    element("div", {class: "head"}, title, turn("←", "Previous image", "ArrowLeft"), turn("→", "Next image", "ArrowRight"), close),
    element("div", {class: "body"}, left, right),
  );
};
const open = anchor => {
  fill(anchor, entries.get(anchor));
  if (!dialog.open) { opener = document.activeElement; dialog.showModal(); }
  dialog.scrollTop = 0;
  write(anchor, form ? new FormData(form) : []);
};
const step = key => {
  const all = tiles(), place = all.findIndex(tile => tile.id === read().anchor);
  const next = all[place + (key === "ArrowLeft" ? -1 : 1)];
  if (!next) return;
  opener = next;
  const label = document.activeElement.getAttribute("aria-label");
  open(next.id);
  [...dialog.querySelectorAll("button")].find(button => button.getAttribute("aria-label") === label)?.focus();
};
dialog.addEventListener("keydown", event => {
  if ((event.key === "ArrowLeft" || event.key === "ArrowRight") && !event.target.closest(".film, .graph")) {
    event.preventDefault();
    step(event.key);
  }
});
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
dialog.addEventListener("close", () => {
  write("", form ? new FormData(form) : []);
  dialog.replaceChildren();
  const tile = opener?.classList.contains("tile") ? opener : document.querySelector(".tile");
  if (tile) { rove(tile); tile.focus(); }
});
document.addEventListener("click", event => {
  const tile = event.target.closest(".tile");
  if (!tile || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  tile.focus();
  open(tile.id);
});

// What the address says, at first and when it is changed by hand.
const obey = () => {
  const {anchor, fields} = read();
  if (form) {
    for (const field of form.elements) if (field.name) field.value = fields.get(field.name) ?? "";
    show();
  }
  if (entries.has(anchor)) open(anchor);
  else if (dialog.open) dialog.close();
};
addEventListener("hashchange", obey);
obey();

// Charts on either scale, tables in any order, settings as a file.
for (const scales of document.querySelectorAll(".scales")) {
  const [plain, nines] = scales.children, label = scales.querySelector(".switch");
  label.hidden = false;
  label.querySelector("input").addEventListener("change", event => [plain.hidden, nines.hidden] = [event.target.checked, !event.target.checked]);
}
for (const place of document.querySelectorAll(".save")) {
  place.append(" ", save(place.closest(".details").querySelector(".settings").textContent, "config.toml", "application/toml", "Download config.toml"));
}
for (const table of document.querySelectorAll("table.sortable")) {
  const [body] = table.tBodies, heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = element("button", {type: "button"}, ...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const down = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
      for (const other of heads) other.removeAttribute("aria-sort");
      head.setAttribute("aria-sort", down < 0 ? "descending" : "ascending");
      const value = row => row.cells[column].dataset.value;
      body.append(...[...body.rows].sort((a, b) => down * ("text" in head.dataset ? value(a).localeCompare(value(b)) : value(a) - value(b))));
    });
  });
}

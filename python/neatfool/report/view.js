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
const copy = text => {
  const button = element("button", {type: "button"}, "Copy genome");
  button.addEventListener("click", async () => {
    try { await navigator.clipboard.writeText(text); button.textContent = "Copied"; }
    catch { button.textContent = "The browser does not let pages copy"; }
  });
  return button;
};
// How sure the classifier was of each ancestor; 90 %, 99 % and 99.9 % are equally far apart.
const course = entry => {
  const points = entry.film.course, [width, height, left, foot] = [420, 130, 58, 22];
  const doubt = share => -Math.log10(Math.max(1 - share, 1e-7));
  const nines = Math.max(1, Math.ceil(doubt(Math.max(...points.map(([, share]) => share))) - 1e-9));
  const last = Math.max(1, points.at(-1)[0]);
  const x = generation => left + 8 + (width - left - 16) * generation / last;
  const y = share => height - foot - (height - foot - 10) * doubt(share) / nines;
  const [first, end] = [points[0], points.at(-1)];
  const drawing = drawn("svg", {viewBox: `0 0 ${width} ${height}`, class: "course", role: "img", "aria-label": `Confidence over the lineage: ${first[2]} in generation ${first[0]}, ${end[2]} in generation ${end[0]}`});
  for (let count = 0; count <= nines; count += Math.ceil(nines / 4)) {
    const share = 1 - 10 ** -count, at = y(share);
    drawing.append(
      drawn("path", {d: `M${left} ${at}H${width}`, stroke: "var(--rule)"}),
      drawn("text", {x: left - 8, y: at + 4, "text-anchor": "end", fill: "var(--muted)"}, `${+(100 * share).toFixed(5)} %`),
    );
  }
  drawing.append(
    drawn("text", {x: left + 8, y: height - 4, fill: "var(--muted)"}, "generation 0"),
    drawn("text", {x: width, y: height - 4, "text-anchor": "end", fill: "var(--muted)"}, last.toLocaleString("en")),
    drawn("path", {d: `M${points.map(([generation, share]) => `${x(generation)} ${y(share)}`).join("L")}`, fill: "none", stroke: "var(--c1)", "stroke-width": 1.5}),
  );
  for (const [generation, share, text, name] of points) {
    const own = name === entry.name;
    drawing.append(drawn("circle", {cx: x(generation), cy: y(share), r: 3.5, fill: `var(--${own ? "c1" : "page"})`, stroke: "var(--c1)", "stroke-width": 1.5}, drawn("title", {}, `generation ${generation}: ${text} for ${name}`)));
  }
  return drawing;
};
const ancestors = entry => {
  if (entry.film.length < 2) return [element("h3", {}, "It is of the random start"), film(entry)];
  const others = entry.film.course.some(([, , , name]) => name !== entry.name);
  const said = `Confidence of each in the class that it was kept for when its child was made${others ? "; hollow where that was another class" : ""}.`;
  return [
    element("h3", {}, `Its ${entry.film.length - 1} ancestors, and for which class each parent was kept`),
    film(entry),
    ...entry.film.course.length ? [course(entry), element("p", {class: "note"}, said)] : [element("p", {class: "note"}, "How sure the classifier was of them was not recorded by the release that made this run.")],
  ];
};
const head = (anchor, entry) => {
  const turn = (text, label, key) => {
    const button = element("button", {type: "button", "aria-label": label}, text);
    button.addEventListener("click", () => step(key));
    return button;
  };
  const close = element("button", {type: "button"}, "Close");
  close.addEventListener("click", () => dialog.close());
  const name = document.getElementById(anchor).closest("li, tr").querySelector(".name").textContent;
  const title = element("h2", {id: "view-name"}, name, " ", element("span", {class: "small"}, `#${anchor.match(/\d+$/)}${entry.run ? ` · ${entry.run}` : ""}`));
  return element("div", {class: "head"}, title, turn("←", "Previous image", "ArrowLeft"), turn("→", "Next image", "ArrowRight"), close);
};
const content = (anchor, entry) => {
  const left = element("div"), right = element("div");
  if (entry.image) left.append(element("img", {class: `picture${entry.pixelated ? " pixelated" : ""}`, src: entry.image, alt: document.getElementById(anchor).querySelector("img").alt}));
  left.append(element("p", {class: "note"}, `Evolved for ${entry.name}: ${entry.confidence} confidence, ${entry.unit} ${entry.generation}.`));
  if (entry.top.length) right.append(element("h3", {}, "What the classifier sees"), bars(entry));
  if (entry.film) right.append(...ancestors(entry));
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
  return [left, right];
};
const open = async anchor => {
  const entry = entries.get(anchor), body = element("div", {class: "body"}, ...entry.name === undefined ? [] : content(anchor, entry));
  dialog.replaceChildren(head(anchor, entry), body);
  if (!dialog.open) { opener = document.activeElement; dialog.showModal(); }
  dialog.scrollTop = 0;
  write(anchor, form ? new FormData(form) : []);
  if (entry.name !== undefined) return;
  try { await arrival(anchor); body.append(...content(anchor, entry)); }
  catch { body.append(element("p", {class: "empty"}, `${about.folder}/${anchor}.js cannot be read; the page needs the folder that was written with it.`)); }
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

// The images: search, groups, order, layout, and one stop for the Tab key with arrow keys between them.
const album = document.querySelector(".elites");
const form = album?.querySelector("form");
const items = [...album?.querySelectorAll("[data-class]") ?? []];
const texts = new Map(items.map(item => [item, `${item.querySelector(".name").textContent} #${item.dataset.class}`.toLowerCase()]));
const cells = new Map(items.map(item => [item, about.single ? [item] : [...item.cells].slice(1)]));
const faces = new Map(items.map(item => [item, cells.get(item).map(cell => cell.querySelector(".tile"))]));
const tiles = () => [...document.querySelectorAll(".tile")].filter(tile => tile.offsetParent);
const descending = key => (a, b) => b.dataset[key] - a.dataset[key];
const byClass = (a, b) => a.dataset.class - b.dataset.class;
const orders = about.single
  ? {"": descending("confidence"), class: byClass, generation: descending("generation")}
  : {"": byClass, confidence: descending("confidence")};

// A group has a path of names, items of its own, all items with those of the groups in it, and a place: its section and list.
const fooled = (group, column) => group.all.filter(item => faces.get(item)[column]?.dataset.verdict === "fooled").length;
const counted = (group, column) => `${fooled(group, column).toLocaleString("en")} of ${group.all.length.toLocaleString("en")}`;
const gathered = (groups, path, found) => {
  const own = groups.flatMap(({name, classes, groups: inner}) => {
    const group = {path: [...path, name], items: classes.map(index => found.get(index)).filter(Boolean)};
    const below = gathered(inner, group.path, found);
    group.all = [...group.items, ...below.filter(one => one.path.length === group.path.length + 1).flatMap(one => one.all)];
    return [group, ...below];
  });
  return own.filter(group => group.all.length);
};
const kinds = {
  verdict: () => about.fooled.map(([key, title]) => ({path: [title], items: items.filter(item => item.dataset.group === key)})).filter(group => group.items.length).map(group => ({...group, all: group.items})),
  hierarchy: () => {
    const groups = gathered(about.hierarchy, [], new Map(items.map(item => [+item.dataset.class, item])));
    const rest = new Set(items);
    for (const group of groups) for (const item of group.items) rest.delete(item);
    return rest.size ? [...groups, {path: ["other"], items: [...rest], all: [...rest]}] : groups;
  },
};
const place = group => {
  if (about.single) {
    group.list = element("ol", {class: album.querySelector("ol").className});
    const heading = element(`h${Math.min(group.path.length + 1, 6)}`, {}, group.path.at(-1), " ", element("span", {class: "count"}, `${counted(group, 0)} fooled`));
    group.section = element("section", {class: `group depth-${Math.min(group.path.length, 4)}`}, heading, group.list);
    album.querySelector(".arranged").append(group.section);
  } else {
    const names = element("th", {class: "text", scope: "rowgroup"}, group.path.join(" › "));
    group.list = group.section = element("tbody", {class: "group"}, element("tr", {}, names, ...faces.get(items[0]).map((_, column) => element("td", {class: "text small"}, `${counted(group, column)} fooled`))));
    album.querySelector("table").append(group.section);
  }
  return group;
};
const sections = about.single ? [...album?.querySelectorAll(".group") ?? []] : items.slice(0, 1).map(item => item.parentElement);
const arrangements = new Map([["", sections.map(section => {
  const inside = items.filter(item => section.contains(item));
  return {path: [], items: inside, all: inside, section, list: inside[0].parentElement};
})]]);
const arranged = (by, order) => {
  if (!arrangements.has(by)) arrangements.set(by, kinds[by]().map(place));
  for (const [other, groups] of arrangements) for (const group of groups) {
    if (other === by) group.list.append(...group.items.sort(order));
    group.section.hidden = other !== by || group.all.every(item => item.hidden);
  }
  return arrangements.get(by);
};

// Several runs as in the paper's figures: a plate for each way of making images, its columns the classes, its rows the runs.
const plate = (setup, group) => {
  const shown = group.items.filter(item => !item.hidden);
  const list = element("ol", {class: "runs"}, ...shown.map(item => element("li", {}, element("div", {class: "name"}, item.querySelector(".name").textContent), ...setup.columns.map(column => {
    const face = faces.get(item)[column];
    return element("div", {class: cells.get(item)[column].className}, face ?? element("span", {class: "missing"}, "–"));
  }))));
  if (shown.length <= 12) list.style.gridTemplateColumns = `repeat(${shown.length}, minmax(0, 1fr))`;
  return shown.length ? [list] : [];
};
const laid = (groups, dense) => {
  const plates = album.querySelector(".plates"), table = album.querySelector(".scroll");
  table.hidden = dense || items.every(item => item.hidden);
  plates.hidden = !dense;
  if (!dense) {
    for (const item of items) faces.get(item).forEach((face, column) => { if (face && face.parentElement !== cells.get(item)[column]) cells.get(item)[column].prepend(face); });
    plates.replaceChildren();
    return;
  }
  let first = 0;
  plates.replaceChildren(...about.setups.map(({title, runs}) => {
    const setup = {columns: runs.map((_, row) => first + row)};
    first += runs.length;
    const names = runs.map(([, name]) => name);
    const body = groups.flatMap(group => {
      const list = plate(setup, group);
      return list.length && group.path.length ? [element("h4", {}, group.path.join(" › ")), ...list] : list;
    });
    return element("section", {}, ...title ? [element("h3", {}, title)] : [], element("p", {class: "note"}, names.length > 1 ? `From top to bottom: ${names.join(", ")}` : names[0]), ...body);
  }));
};

const show = () => {
  const values = Object.fromEntries(new FormData(form));
  const wanted = (values.q ?? "").trim().toLowerCase();
  for (const item of items) item.hidden = !texts.get(item).includes(wanted) || Boolean(values.group) && item.dataset.group !== values.group;
  const groups = arranged(values.by ?? "", orders[values.sort] ?? orders[""]);
  const shown = items.some(item => !item.hidden), nothing = album.querySelector(".nothing");
  nothing.hidden = shown;
  nothing.textContent = shown ? "" : wanted ? `No class matches “${values.q}”${values.group ? " among these" : ""}.` : items.length ? "There is no such class." : "No images yet.";
  if (about.single) album.classList.toggle("plate", values.layout === "plate");
  else laid(groups, values.layout === "plate");
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

// What the address says, at first and when it is changed by hand.
const obey = () => {
  const {anchor, fields} = read();
  if (form) {
    for (const field of form.elements) {
      if (field.name) field.value = fields.get(field.name) ?? "";
      if (field.selectedIndex < 0) field.selectedIndex = 0;
    }
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

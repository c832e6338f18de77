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

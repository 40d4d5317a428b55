// The scatter: trained models as points, and the reconstructions behind whichever is picked.

const REACH = 24; // pixels from a mark within which a click or tap still means it
const FACTORS = { training: "Training set", model: "Model", size: "Size", stage: "Epoch", seed: "Seed" };
const EARLY = "early";

const signed = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;

/** "P_best" as nodes, its index set lower. */
const indexed = (text) => text.split(/_(\w+)/).map((part, i) => (i % 2 ? h("sub", {}, part) : part));

/** The same within a plot; what follows an index comes back up. */
function svgText(text, attributes) {
  const parts = text.split(/_(\w+)/).map((part, i) =>
    svg("tspan", i % 2 ? { dy: 3, "font-size": 8 } : { dy: i ? -3 : 0 }, part),
  );
  return svg("text", attributes, ...parts);
}

/** The mark of a model as a path; its colour is that of the element's role class. */
function mark({ shape, role, hollow, r = 5, at = [0, 0] }) {
  return svg("path", {
    class: `mrinb-mark mrinb-of-${role}${hollow ? " mrinb-open" : ""}`,
    d: shape,
    transform: `translate(${at.join(" ")}) scale(${r})`,
  });
}

const swatch = (...marks) =>
  svg("svg", { class: "mrinb-swatch", viewBox: "-8 -8 16 16", "aria-hidden": "true" }, ...marks);

/** Which points come next, and which is nearest in kind. */
function atlas(points) {
  const numbers = points.map((_, i) => i);
  const byX = [...numbers].sort((a, b) => points[a].x - points[b].x || points[a].y - points[b].y);
  const order = (a, b) => points[a].epoch - points[b].epoch || points[a].seed - points[b].seed;
  const alike = (a, b) => ["training", "model", "size"].every((key) => points[a][key] === points[b][key]);
  return {
    /** The next of the shown points to the right (step 1) or left (-1); the same one at the end. */
    beside(picked, step, shown) {
      const row = byX.filter((i) => i === picked || shown(i));
      return row[clamp(row.indexOf(picked) + step, 0, row.length - 1)];
    },
    end(picked, last, shown) {
      const row = byX.filter((i) => i === picked || shown(i));
      return row[last ? row.length - 1 : 0];
    },
    /** The next point of the same training set, model and size, round and round. */
    within(picked, step, shown) {
      const row = numbers.filter((i) => alike(i, picked) && (i === picked || shown(i))).sort(order);
      return row[(row.indexOf(picked) + step + row.length) % row.length];
    },
    series: (picked) => numbers.filter((i) => alike(i, picked)),
    /** The point with another value of one factor that is otherwise most like the picked one. */
    like(picked, factor, value) {
      const weight = (i) =>
        Object.keys(FACTORS).reduce((sum, key) => 2 * sum + (points[i][key] === points[picked][key]), 0);
      const fits = numbers.filter((i) => String(points[i][factor]) === String(value));
      return fits.sort((a, b) => weight(b) - weight(a))[0];
    },
  };
}

/** Axes, grid and fitted lines. */
function backdrop({ frame, labels, lines, roles }) {
  const parts = [];
  for (const [x, text] of frame.ticks.x) {
    parts.push(svg("path", { class: "mrinb-grid", d: `M${x} ${frame.top}V${frame.bottom}` }));
    parts.push(svgText(text, { x, y: frame.bottom + 15, "text-anchor": "middle" }));
  }
  for (const [y, text] of frame.ticks.y) {
    parts.push(svg("path", { class: "mrinb-grid", d: `M${frame.left} ${y}H${frame.right}` }));
    parts.push(svgText(text, { x: frame.left - 6, y: y + 4, "text-anchor": "end" }));
  }
  const [middle, centre] = [(frame.left + frame.right) / 2, (frame.top + frame.bottom) / 2];
  parts.push(svgText(labels[0], { x: middle, y: frame.height - 8, "text-anchor": "middle" }));
  const turned = `translate(11 ${centre}) rotate(-90)`;
  parts.push(svgText(labels[1], { transform: turned, "text-anchor": "middle" }));
  const drawn = lines.map(({ training, path }) => ({
    training,
    node: svg("path", { class: `mrinb-fit mrinb-of-${roles[training]}`, d: path }),
  }));
  return { node: svg("g", { "aria-hidden": "true" }, ...parts, ...drawn.map(({ node }) => node)), drawn };
}

/** Check boxes that show and hide training sets, models, sizes and early checkpoints. */
function legend({ roles, shapes, sizes, points }, model) {
  const boxes = new Map();
  const names = [...Object.keys(roles), ...Object.keys(shapes), ...Object.keys(sizes), EARLY];
  const hidden = () => new Set(model.get("hidden").split("|").filter(Boolean));
  const item = (name, picture, ...words) => {
    const box = checkbox("", (shown) => {
      const off = hidden();
      if (shown) off.delete(name);
      else off.add(name);
      change(model, { hidden: names.filter((other) => off.has(other)).join("|") });
    });
    box.node.append(picture, h("span", {}, ...words));
    boxes.set(name, box.input);
    return box.node;
  };
  const group = (label, items) =>
    items.length > 1 || label === "Training sets"
      ? h("div", { class: "mrinb-toggles", role: "group", "aria-label": label }, ...items)
      : null;
  const [shape] = Object.values(shapes);
  const kinds = Object.entries(sizes).map(([name, words]) =>
    item(name, swatch(mark({ shape, role: "any", hollow: name !== "full" })), words),
  );
  if (kinds.length === 1) kinds.pop();
  if (points.some(({ epoch, epochs }) => epoch < epochs)) {
    kinds.push(item(EARLY, swatch(mark({ shape, role: "any", r: 3.1 })), "early checkpoints"));
  }
  const node = h(
    "div",
    { class: "mrinb-marks" },
    group("Training sets", Object.entries(roles).map(([name, role]) => {
      const line = svg("path", { class: `mrinb-fit mrinb-of-${role}`, d: "M-8 0H8" });
      return item(name, swatch(line, mark({ shape, role })), ...indexed(name));
    })),
    group("Models", Object.entries(shapes).map(([name, own]) => item(name, swatch(mark({ shape: own, role: "any" })), name))),
    kinds.length ? h("div", { class: "mrinb-toggles", role: "group", "aria-label": "Sizes and checkpoints" }, ...kinds) : null,
  );
  return {
    node,
    hidden,
    names,
    say: () => {
      const off = hidden();
      for (const [name, input] of boxes) input.checked = !off.has(name);
    },
  };
}

/** The table of all points, filled when it is opened. */
function pointTable({ points, sizes, labels }) {
  const heads = ["Training set", "Model", "Size", "Epoch", "Seed", ...labels];
  const row = ({ training, model, size, epoch, epochs, seed, x, y }) =>
    [indexed(training), [model], [sizes[size]], [`${epoch} of ${epochs}`], [seed], [fixed(x, 4)], [fixed(y, 4)]];
  const place = h("div", { class: "mrinb-points", role: "region", tabindex: "0", "aria-label": "All points" });
  const fill = () => {
    if (place.firstChild) return;
    place.append(
      h("table", {},
        h("thead", {}, h("tr", {}, ...heads.map((name) => h("th", { scope: "col" }, ...indexed(name))))),
        h("tbody", {}, ...points.map((point) => h("tr", {}, ...row(point).map((cell) => h("td", {}, ...cell))))),
      ),
    );
  };
  return h("details", { class: "mrinb-help", ontoggle: fill }, h("summary", {}, `All ${points.length} points`), place);
}

function render({ model, el }) {
  const exhibit = model.get("exhibit");
  const { points, groups, slices, frame, labels } = exhibit;
  const map = atlas(points);
  const books = shelf();
  const slice = slicer();
  const toggles = legend(exhibit, model);

  const shown = (i) => {
    const off = toggles.hidden();
    const { training, model: name, size, epoch, epochs } = points[i];
    return ![training, name, size, epoch < epochs && EARLY].some((what) => off.has(what));
  };
  const visible = (i) => i === model.get("picked") || i === model.get("pinned") || shown(i);
  const pick = (picked, focus) => {
    if (picked === undefined) return;
    change(model, { picked });
    if (focus) dots[picked].focus({ preventScroll: true });
  };

  const markOf = ({ training, model: name, size, r }, at) =>
    mark({ shape: exhibit.shapes[name], role: exhibit.roles[training], hollow: size !== "full", r, at });

  // the plot: one radio button a point, of which the picked one can be reached by Tab
  const dots = points.map((point) =>
    svg(
      "g",
      { role: "radio", tabindex: -1, "aria-label": `${point.words}: ${fixed(point.x, 3)}, ${fixed(point.y, 3)}` },
      markOf(point, point.at),
    ),
  );
  const ring = (kind) => {
    const guides = svg("path", { class: "mrinb-guide" });
    const word = svg("text", { y: -12, "text-anchor": "middle" }, kind);
    const copy = svg("g"); // of the point's mark, above those that lie over it
    const around = svg("g", {}, copy, svg("circle", { r: 8.5 }), word);
    return { guides, around, word, copy, node: svg("g", { class: `mrinb-ring mrinb-${kind}`, "aria-hidden": "true" }, guides, around) };
  };
  const rings = { pinned: ring("pinned"), picked: ring("picked") };
  const hover = svg("circle", { class: "mrinb-hover", r: 8.5, "aria-hidden": "true" });
  const back = backdrop(exhibit);
  const choice = svg("g", { role: "radiogroup", "aria-label": `${labels[1]} against ${labels[0]}: points` }, ...dots);
  const plot = svg(
    "svg",
    { class: "mrinb-plot", viewBox: `0 0 ${frame.width} ${frame.height}` },
    back.node, choice, hover, rings.pinned.node, rings.picked.node,
  );

  const nearest = (event) => {
    const box = plot.getBoundingClientRect();
    const one = box.width / frame.width;
    let best;
    let least = REACH;
    points.forEach(({ at: [x, y] }, i) => {
      const apart = Math.hypot(event.clientX - box.left - x * one, event.clientY - box.top - y * one);
      if (apart < least && visible(i)) [best, least] = [i, apart];
    });
    return best;
  };
  plot.addEventListener("click", (event) => pick(nearest(event), true));
  const point = (i) => {
    plot.style.cursor = i === undefined ? "" : "pointer";
    hover.style.display = i === undefined ? "none" : "";
    if (i !== undefined) hover.setAttribute("transform", `translate(${points[i].at.join(" ")})`);
  };
  plot.addEventListener("pointermove", (event) => point(event.pointerType === "touch" ? undefined : nearest(event)));
  plot.addEventListener("pointerleave", () => point(undefined));
  point(undefined);

  const pin = () => change(model, { pinned: model.get("picked") });
  choice.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const picked = model.get("picked");
    const moves = {
      ArrowLeft: () => map.beside(picked, -1, shown),
      ArrowRight: () => map.beside(picked, 1, shown),
      ArrowUp: () => map.within(picked, 1, shown),
      ArrowDown: () => map.within(picked, -1, shown),
      Home: () => map.end(picked, false, shown),
      End: () => map.end(picked, true, shown),
    };
    if (moves[event.key]) pick(moves[event.key](), true);
    else if (event.key === "p") pin();
    else return;
    event.preventDefault();
  });

  // what is picked, factor by factor: another value goes to the most similar point that has it
  const options = (factor) => {
    if (factor === "stage") {
      const own = map.series(model.get("picked"));
      const stages = [...new Map(own.map((i) => [points[i].stage, points[i]])).entries()].sort(([a], [b]) => b - a);
      return stages.map(([stage, { epoch, epochs }]) => [stage, `${epoch} of ${epochs}`]);
    }
    const values = [...new Set(points.map((found) => found[factor]))];
    if (factor === "seed") values.sort((a, b) => a - b);
    return values.map((value) => [value, factor === "size" ? exhibit.sizes[value] : value]);
  };
  const choosers = Object.keys(FACTORS)
    .filter((factor) => new Set(points.map((found) => found[factor])).size > 1)
    .map((factor) => ({ factor, node: select([], (value) => pick(map.like(model.get("picked"), factor, value))) }));

  // the viewer
  const said = { picked: h("p"), pinned: h("p"), apart: h("p") };
  const pinButton = h("button", { type: "button", onclick: pin }, "Pin");
  const unpin = h("button", { type: "button", onclick: () => change(model, { pinned: -1 }) }, "Unpin");
  const swap = h(
    "button",
    {
      type: "button",
      "aria-label": "Swap picked and pinned",
      title: "Swap picked and pinned",
      onclick: () => change(model, { picked: model.get("pinned"), pinned: model.get("picked") }),
    },
    "⇄",
  );
  const COLUMNS = ["truth", "pinned", "picked"];
  const rows = slices.map(({ label, width, height }) => {
    const cells = Object.fromEntries(
      COLUMNS.map((column) => {
        const canvas = h("canvas", { width, height, role: "img" });
        const caption = h("span");
        return [column, { canvas, caption, node: h("div", {}, canvas, caption) }];
      }),
    );
    const node = h(
      "div",
      { class: "mrinb-row" },
      h("p", {}, ...indexed(label)),
      h("div", { class: "mrinb-cells" }, ...COLUMNS.map((column) => cells[column].node)),
    );
    return { cells, node };
  });
  const message = h("div", { class: "mrinb-message", role: "status", hidden: true });
  const stage = h("div", { class: "mrinb-rows" }, ...rows.map(({ node }) => node), message);
  const error = checkbox("Error maps", (value) => change(model, { error_map: value }));
  const large = checkbox("Large images", (value) => change(model, { large: value }));
  const gain = select(exhibit.gains.map((value) => [value, `× ${value}`]), (value) => change(model, { gain: +value }));
  gain.setAttribute("aria-label", "Error maps: magnification");
  const scaleEnd = h("span");
  const heat = h(
    "div",
    { class: "mrinb-scale" },
    gain,
    h("span", {}, "0"),
    h("span", { class: "mrinb-bar", style: `background: ${HEAT_CSS}` }),
    scaleEnd,
  );
  const viewer = h(
    "div",
    { class: "mrinb-viewer" },
    h("div", { class: "mrinb-chosen", "aria-live": "polite" }, said.picked, said.pinned, said.apart),
    h("div", { class: "mrinb-tools" }, pinButton, unpin, swap),
    stage,
    h("div", { class: "mrinb-tools" }, error.node, h("span", { class: "mrinb-larger" }, large.node), heat),
  );
  const help = h(
    "details",
    { class: "mrinb-help" },
    h("summary", {}, "Mouse, touch and keys"),
    h(
      "p",
      {},
      "Click or tap near a point to pick it, or choose its training set, model, epoch or seed above. With " +
        "the picked point in focus, the left and right arrows go to the next point along the horizontal axis, " +
        "up and down to the next checkpoint or seed of the same series, Home and End to the ends, P pins it.",
    ),
    h(
      "p",
      {},
      "The numbers at the axes are means over test sets, those under an image are its own; both come from " +
        "unrounded images. The pictures and the error maps |image − ground truth| have 8 bits: for looking only.",
    ),
  );
  const root = widgetRoot("scatter", `Scatter of models: ${model.get("name")}`, model);
  root.append(
    h("div", { class: "mrinb-controls" }, ...choosers.map(({ factor, node }) => field(FACTORS[factor], node))),
    h("div", { class: "mrinb-beside" }, h("div", {}, plot, toggles.node), viewer),
    h("p", { class: "mrinb-notes" }, exhibit.notes.join(" · ")),
  );
  el.append(root);

  const byKey = (text) => {
    const at = points.findIndex(({ key }) => key === text);
    return at < 0 ? undefined : at;
  };
  const address = bindAddress(model, root, [
    { key: "picked", trait: "picked", always: true, write: (i) => points[i].key, read: byKey },
    {
      key: "pinned",
      trait: "pinned",
      always: true,
      write: (i) => points[i]?.key ?? "none",
      read: (text) => (text === "none" ? -1 : byKey(text)),
    },
    {
      key: "hidden",
      trait: "hidden",
      write: String,
      read: (text) => toggles.names.filter((name) => text.split("|").includes(name)).join("|"),
    },
    flagField("error", "error_map"),
    {
      key: "gain",
      trait: "gain",
      write: String,
      read: (text) => (exhibit.gains.includes(+text) ? +text : undefined),
    },
    flagField("large", "large"),
  ]);
  root.append(h("div", { class: "mrinb-foot" }, help, pointTable(exhibit), copyButton(address)));

  const chosen = () => {
    const picked = model.get("picked");
    const pinned = model.get("pinned");
    return { picked, pinned: pinned < 0 || pinned === picked ? -1 : pinned };
  };

  /** How far a point lies above the baseline's line, in words. */
  function above({ x, y, training }) {
    const line = exhibit.lines.find((one) => one.training === exhibit.baseline);
    if (!line || training === exhibit.baseline) return [];
    const apart = y - (line.slope * x + line.intercept);
    const beyond = x < line.low || x > line.high ? ", extended" : "";
    return ["; ", `${fixed(Math.abs(apart), 3)} ${apart < 0 ? "below" : "above"} the line of `, ...indexed(exhibit.baseline), beyond];
  }
  const sentence = (kind, i) => [
    h("strong", {}, kind),
    " ",
    ...indexed(points[i].words),
    ": ",
    h("span", { class: "mrinb-number" }, ...indexed(labels[0]), ` ${fixed(points[i].x, 3)}`),
    ", ",
    h("span", { class: "mrinb-number" }, ...indexed(labels[1]), ` ${fixed(points[i].y, 3)}`),
    ...above(points[i]),
    ".",
  ];
  /** Put words where they differ, so that nothing is read aloud twice. */
  const put = (node, children) => {
    const next = h("p", {}, ...children);
    if (next.innerHTML !== node.innerHTML) node.replaceChildren(...next.childNodes);
    node.hidden = !children.length;
  };

  function sayPoints({ picked, pinned }) {
    const two = pinned >= 0;
    put(said.picked, sentence("Picked", picked));
    put(said.pinned, two ? sentence("Pinned", pinned) : []);
    const [a, b] = [points[picked], points[pinned]];
    const apart = (key, label) => [...indexed(label), ` ${signed(a[key] - b[key], 3)}`];
    put(said.apart, two ? ["Picked − pinned: ", ...apart("x", labels[0]), ", ", ...apart("y", labels[1]), "."] : []);
    pinButton.disabled = model.get("pinned") === picked;
    pinButton.textContent = pinButton.disabled ? "Pinned: pick another" : two ? "Pin this one instead" : "Pin to compare";
    unpin.hidden = model.get("pinned") < 0;
    swap.hidden = !two;
    for (const { factor, node } of choosers) {
      const wanted = options(factor);
      const now = [...node.options].map(({ value, text }) => `${value}\n${text}`).join("\n");
      if (now !== wanted.map(([value, text]) => `${value}\n${text}`).join("\n")) {
        node.replaceChildren(...wanted.map(([value, text]) => h("option", { value }, text)));
      }
      node.value = points[picked][factor];
    }
  }

  function drawMarks(now) {
    const off = toggles.hidden();
    for (const { training, node } of back.drawn) node.classList.toggle("mrinb-off", off.has(training));
    dots.forEach((dot, i) => {
      dot.classList.toggle("mrinb-off", !visible(i));
      dot.setAttribute("aria-checked", i === now.picked);
      dot.setAttribute("tabindex", i === now.picked ? 0 : -1);
    });
    const [a, b] = [points[now.picked].at, points[now.pinned]?.at];
    const lower = b && (b[1] > a[1] ? "pinned" : "picked"); // two words keep clear of each other
    for (const [kind, { node, guides, around, word, copy }] of Object.entries(rings)) {
      const i = now[kind];
      node.classList.toggle("mrinb-off", i < 0);
      if (i < 0) continue;
      const [x, y] = points[i].at;
      guides.setAttribute("d", `M${frame.left} ${y}H${x}V${frame.bottom}`);
      around.setAttribute("transform", `translate(${x} ${y})`);
      const below = y < frame.top + 22 || (kind === lower && y < frame.bottom - 22);
      word.setAttribute("y", below ? 19 : -12);
      copy.replaceChildren(markOf(points[i]));
    }
    toggles.say();
  }

  function say() {
    const now = chosen();
    sayPoints(now);
    drawMarks(now);
    error.input.checked = model.get("error_map");
    large.input.checked = model.get("large");
    root.classList.toggle("mrinb-large", model.get("large"));
    gain.value = model.get("gain");
    heat.hidden = !model.get("error_map");
    scaleEnd.textContent = `${100 / model.get("gain")} % of white`;
    stage.classList.toggle("mrinb-three", now.pinned >= 0);
  }

  function paint() {
    const now = chosen();
    const pieces = { truth: exhibit.truth, picked: groups[points[now.picked].group], pinned: groups[points[now.pinned]?.group] };
    const asked = Object.values(pieces).filter(Boolean);
    const ready = asked.every(books.ready);
    if (ready) {
      message.hidden = true;
      stage.removeAttribute("aria-busy");
    } else {
      const words = ["images", "this point", "pick another point"];
      awaitImages(stage, message, Promise.all(asked.map(books.ask)), words, update);
    }
    rows.forEach(({ cells }, s) => {
      const truth = { sheet: books.sheet(exhibit.truth, s), index: 0 };
      for (const column of COLUMNS) {
        const { canvas, caption, node } = cells[column];
        node.hidden = now[column] === -1;
        if (node.hidden) continue;
        const i = now[column];
        const found = points[i];
        const context = canvas.getContext("2d");
        const gainNow = found && model.get("error_map") ? model.get("gain") : 0;
        const from = found ? { sheet: books.sheet(pieces[column], s), index: found.row } : truth;
        if (from.sheet && truth.sheet) {
          context.drawImage(slice(`${i} ${s} ${gainNow}`, from, truth, slices[s], gainNow), 0, 0);
        } else context.clearRect(0, 0, canvas.width, canvas.height); // no old picture under a new name
        const score = found && h("span", { class: "mrinb-number" }, `SSIM ${fixed(found.scores[s], 3)}`);
        caption.replaceChildren(...(found ? [`${column} `, score] : ["ground truth"]));
        const what = gainNow ? "error map of " : "";
        canvas.setAttribute("aria-label", `${slices[s].label}: ${found ? `${what}${column}, ${found.words}` : "ground truth"}`);
      }
    });
    if (ready) root.dataset.drawn = +(root.dataset.drawn ?? 0) + 1;
  }

  const update = oncePerFrame(() => {
    say();
    paint();
  });
  model.on("change", update);
  const unwatch = watch(root, update);
  update();
  return () => {
    model.off("change", update);
    unwatch();
  };
}

export default { render };

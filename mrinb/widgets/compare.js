// The comparer: two images of one slice under a swipe divider.

const SIDES = ["left", "right"];
const FIXED = { "ground-truth": "Ground truth", "zero-filled": "Zero-filled" };
const MAX_ZOOM = 16;

/** Decoded sheets of the exhibit, loaded when first asked for. */
function library(exhibit) {
  const { ready, ask, sheet } = shelf();
  return {
    pieces: (view, model) => [exhibit.views[view].base, exhibit.views[view].models[model]],
    ready: (pieces) => pieces.every(ready),
    ask: (pieces) => Promise.all(pieces.map(ask)),
    sheet: (pieces, side) => pieces.map((piece) => sheet(piece, side)).find(Boolean),
    /** Decode what is in the page already, so that showing it later is immediate. */
    warm() {
      for (const view of exhibit.views) {
        for (const piece of [view.base, ...Object.values(view.models)]) if (piece.sheets) ask(piece);
      }
    },
  };
}

/** Pointers, wheel and keys on the stage: they move the divider, zoom and pan. */
function gestures({ stage, handle, model, geometry, hint }) {
  const pointers = new Map();
  let moving = null; // "divider" or "pan"
  let pinch = 0;

  const clampView = (zoom, x, y) => {
    const { boxWidth, boxHeight, width, height } = geometry(zoom);
    const hold = (value, box, size) => {
      const half = box / (2 * size);
      return half >= 0.5 ? 0.5 : clamp(value, half, 1 - half);
    };
    return { zoom, x: hold(x, boxWidth, width), y: hold(y, boxHeight, height) };
  };
  /** Zoom so that the image point under (px, py), from the stage's centre, stays there. */
  const zoomBy = (factor, px = 0, py = 0) => {
    const before = geometry(model.get("zoom"));
    const zoom = clamp(model.get("zoom") * factor, 1, MAX_ZOOM);
    const after = geometry(zoom);
    change(
      model,
      clampView(
        zoom,
        model.get("x") + px / before.width - px / after.width,
        model.get("y") + py / before.height - py / after.height,
      ),
    );
  };
  const panBy = (dx, dy) => {
    const { width, height } = geometry(model.get("zoom"));
    change(
      model,
      clampView(model.get("zoom"), model.get("x") - dx / width, model.get("y") - dy / height),
    );
  };
  const reset = () => change(model, { zoom: 1, x: 0.5, y: 0.5 });
  const moveDivider = (fraction) => change(model, { divider: clamp(fraction, 0, 1) });

  const place = (event) => {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top, box };
  };
  const spread = () => {
    const [a, b] = [...pointers.values()];
    return { apart: Math.hypot(a.x - b.x, a.y - b.y), x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const at = place(event);
    pointers.set(event.pointerId, at);
    stage.setPointerCapture(event.pointerId);
    handle.focus({ preventScroll: true });
    if (pointers.size === 2) {
      pinch = spread().apart;
      moving = null;
      return;
    }
    const near = Math.abs(at.x - model.get("divider") * at.box.width) < 24;
    moving = model.get("zoom") > 1 && !near ? "pan" : "divider";
    if (moving === "divider") moveDivider(at.x / at.box.width);
    event.preventDefault();
  });
  stage.addEventListener("pointermove", (event) => {
    const last = pointers.get(event.pointerId);
    if (!last) return;
    const at = place(event);
    pointers.set(event.pointerId, at);
    if (pointers.size === 2) {
      const { apart, x, y } = spread();
      zoomBy(apart / pinch, x - at.box.width / 2, y - at.box.height / 2);
      pinch = apart;
    } else if (moving === "divider") moveDivider(at.x / at.box.width);
    else if (moving === "pan") panBy(at.x - last.x, at.y - last.y);
  });
  const release = (event) => {
    pointers.delete(event.pointerId);
    moving = null;
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);

  // The page keeps its wheel until the reader has taken hold of the image.
  stage.addEventListener(
    "wheel",
    (event) => {
      if (!(event.ctrlKey || event.metaKey || stage.contains(document.activeElement))) {
        hint("Click the image first, or hold Ctrl, to zoom with the wheel");
        return;
      }
      event.preventDefault();
      const at = place(event);
      zoomBy(2 ** (-event.deltaY / 400), at.x - at.box.width / 2, at.y - at.box.height / 2);
    },
    { passive: false },
  );

  const dividerKeys = { ArrowLeft: -0.02, ArrowDown: -0.02, ArrowRight: 0.02, ArrowUp: 0.02, PageUp: 0.1, PageDown: -0.1 };
  const panKeys = { ArrowLeft: [48, 0], ArrowRight: [-48, 0], ArrowUp: [0, 48], ArrowDown: [0, -48] };
  handle.addEventListener("keydown", (event) => {
    const { key } = event;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.shiftKey && panKeys[key]) panBy(...panKeys[key]);
    else if (dividerKeys[key]) moveDivider(model.get("divider") + dividerKeys[key]);
    else if (key === "Home") moveDivider(0);
    else if (key === "End") moveDivider(1);
    else if (key === "+" || key === "=") zoomBy(1.25);
    else if (key === "-" || key === "_") zoomBy(0.8);
    else if (key === "0") reset();
    else return;
    event.preventDefault();
  });
  return { zoomBy, reset };
}

function render({ model, el }) {
  const exhibit = model.get("exhibit");
  const books = library(exhibit);
  const slice = slicer();
  const { groups, views } = exhibit; // one group a shift, say: pools, models and views that belong together
  const several = groups.length > 1;
  const groupOf = (view) => groups[views[view].group];
  const sidesOf = ({ pools, fixed }) => [...pools.map(({ id }) => id), ...fixed]; // no ground truth of some scans
  const errors = (group) => model.get("error_map") && group.fixed.includes("ground-truth");
  const labelOf = ({ pools }, id) => FIXED[id] ?? pools.find((pool) => pool.id === id).label;
  const tintOf = ({ pools }, id) => pools.find((pool) => pool.id === id)?.tint ?? "fixed";
  const every = (key) => groups.flatMap((group) => key(group)); // what an address may name
  /** The state, with what another group's pools and models do not have replaced by the first. */
  const current = () => {
    const view = model.get("view");
    const group = groupOf(view);
    const among = (wanted, valid, instead) => (valid.includes(wanted) ? wanted : instead);
    const [left, right] = SIDES.map((side, i) =>
      among(model.get(side), sidesOf(group), group.pools[Math.min(i, group.pools.length - 1)].id),
    );
    const slice_index = Math.min(model.get("slice_index"), views[view].slices - 1);
    return { view, group, left, right, model: among(model.get("model"), group.models, group.models[0]), slice_index };
  };
  const set = (key) => (value) => change(model, { [key]: value });

  // controls above the image
  const choose = Object.fromEntries(
    SIDES.map((side) => [side, select([], set(side))]),
  );
  const swap = h(
    "button",
    {
      type: "button",
      class: "mrinb-swap",
      "aria-label": "Swap left and right",
      title: "Swap left and right",
      onclick: () => change(model, { left: current().right, right: current().left }),
    },
    "⇄",
  );
  const chooseModel = select([], set("model"));
  const showView = (view) =>
    change(model, { view, slice_index: Math.min(model.get("slice_index"), views[view].slices - 1) });
  const chooseView = select([], (value) => showView(+value));
  const chooseGroup = select(
    groups.map(({ label }, i) => [i, label]),
    (value) => {
      const own = [...views.keys()].filter((i) => views[i].group === +value);
      const { name } = views[model.get("view")]; // kept where the other group has it, too
      showView(own.find((i) => views[i].name === name) ?? own[0]);
    },
  );
  /** Menus of what the group has, filled anew when another group is shown. */
  let filled = null;
  const fill = (group) => {
    if (filled === group) return;
    filled = group;
    const put = (node, options) => node.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
    for (const side of SIDES) put(choose[side], sidesOf(group).map((id) => [id, labelOf(group, id)]));
    put(chooseModel, group.models.map((name) => [name, name]));
    put(chooseView, [...views.entries()].filter(([, view]) => groups[view.group] === group).map(([i, view]) => [i, view.name]));
  };

  // the viewer
  const scores = Object.fromEntries(
    SIDES.map((side) => {
      const name = h("strong");
      const ssim = h("span", { class: "mrinb-number" });
      const psnr = h("span", { class: "mrinb-number" });
      const node = h("div", { class: `mrinb-score mrinb-${side}` }, name, h("span", {}, ssim, psnr));
      return [side, { name, ssim, psnr, node }];
    }),
  );
  const canvas = h("canvas", { role: "img" });
  const handle = h(
    "div",
    {
      class: "mrinb-divider",
      role: "slider",
      tabindex: "0",
      "aria-label": "Divider between the left and the right image",
      "aria-orientation": "horizontal",
      "aria-valuemin": "0",
      "aria-valuemax": "100",
    },
    h("span", { class: "mrinb-grip", "aria-hidden": "true" }),
  );
  const message = h("div", { class: "mrinb-message", role: "status", hidden: true });
  const zoomed = h("span", { class: "mrinb-corner", "aria-hidden": "true" });
  const stage = h("div", { class: "mrinb-stage" }, canvas, handle, zoomed, message);

  const scrub = range(1, 1, 1, (value) => set("slice_index")(value - 1));
  const scrubbed = h("output");
  const scrubber = h("div", { class: "mrinb-slice" }, field("Slice", scrub, scrubbed));
  const smooth = checkbox("Smooth", set("smooth"));
  const error = checkbox("Error map", set("error_map"));
  const gain = select(exhibit.gains.map((value) => [value, `× ${value}`]), (value) => set("gain")(+value));
  gain.setAttribute("aria-label", "Error map: magnification");
  const scaleEnd = h("span");
  const scale = h(
    "div",
    { class: "mrinb-scale" },
    gain,
    h("span", {}, "0"),
    h("span", { class: "mrinb-bar", style: `background: ${HEAT_CSS}` }),
    scaleEnd,
  );

  let hinting = 0;
  const hint = (text) => {
    if (!message.hidden && !hinting) return; // something more important is said
    message.textContent = text;
    message.hidden = false;
    clearTimeout(hinting);
    hinting = setTimeout(() => {
      hinting = 0;
      message.hidden = true;
    }, 1600);
  };
  const geometry = (zoom) => {
    const { width, height } = views[model.get("view")];
    const boxWidth = stage.clientWidth;
    const boxHeight = stage.clientHeight;
    const one = Math.min(boxWidth / width, boxHeight / height) * zoom;
    return { boxWidth, boxHeight, width: width * one, height: height * one };
  };
  const { zoomBy, reset } = gestures({ stage, handle, model, geometry, hint });
  const zoomButton = (text, label, onclick) =>
    h("button", { type: "button", "aria-label": label, title: label, onclick }, text);

  const viewer = h(
    "div",
    { class: "mrinb-viewer" },
    h("div", { class: "mrinb-scores", "aria-live": "polite" }, scores.left.node, scores.right.node),
    stage,
    h(
      "div",
      { class: "mrinb-tools" },
      scrubber,
      h(
        "div",
        { class: "mrinb-zoom", role: "group", "aria-label": "Zoom" },
        zoomButton("−", "Zoom out", () => zoomBy(0.8)),
        zoomButton("+", "Zoom in", () => zoomBy(1.25)),
        zoomButton("Fit", "Fit the whole image", reset),
      ),
      smooth.node,
      error.node,
      scale,
    ),
  );

  const notes = h("p", { class: "mrinb-notes" });
  const help = h(
    "details",
    { class: "mrinb-help" },
    h("summary", {}, "Mouse, touch and keys"),
    h(
      "p",
      {},
      "Drag to move the divider; when zoomed in, drag the image to move it and the handle to move the " +
        "divider. Pinch, or click and turn the wheel, to zoom. On the divider: arrow keys, Home and End " +
        "move it; + and − zoom, 0 shows the whole image, Shift with arrows moves it.",
    ),
    h(
      "p",
      {},
      "SSIM and PSNR are computed from the unrounded images. The pictures and the error map " +
        "|image − ground truth| have 8 bits: for looking only.",
    ),
  );
  const paper = printed();
  const label = `Compare reconstructions: ${model.get("name")}`; // several in a page are told apart
  const root = widgetRoot("compare", label, model);
  root.append(
    h(
      "div",
      { class: "mrinb-controls" },
      h("div", { class: "mrinb-pair" }, field("Left", choose.left), swap, field("Right", choose.right)),
      several ? field(exhibit.menu, chooseGroup) : null,
      field("Model", chooseModel),
      field("Test data", chooseView),
    ),
    viewer,
    paper,
    notes,
  );
  el.append(root);

  const fields = [
    ...SIDES.map((side) => ({
      key: side,
      trait: side,
      always: true,
      write: () => current()[side],
      read: (text) => (every(sidesOf).includes(text) ? text : undefined),
    })),
    {
      key: "model",
      trait: "model",
      always: true,
      write: () => current().model,
      read: (text) => (every(({ models }) => models).includes(text) ? text : undefined),
    },
    {
      key: "test",
      trait: "view",
      always: true,
      write: (value) => views[value].key,
      read: (text) => {
        const at = views.findIndex((view) => view.key === text);
        return at < 0 ? undefined : at;
      },
    },
    {
      key: "slice",
      trait: "slice_index",
      always: true,
      write: (value) => String(value + 1),
      read: (text) => {
        const last = views[model.get("view")].slices - 1;
        return Number.isInteger(+text) ? clamp(+text - 1, 0, last) : undefined;
      },
    },
    numberField("divider", "divider", 0, 1),
    flagField("error", "error_map"),
    {
      key: "gain",
      trait: "gain",
      write: String,
      read: (text) => (exhibit.gains.includes(+text) ? +text : undefined),
    },
    flagField("smooth", "smooth"),
    numberField("zoom", "zoom", 1, MAX_ZOOM),
    numberField("x", "x", 0, 1),
    numberField("y", "y", 0, 1),
  ];
  const address = bindAddress(model, root, fields);
  root.append(h("div", { class: "mrinb-foot" }, help, copyButton(address)));

  function say() {
    const now = current();
    const { view, group, model: name, slice_index: index } = now;
    const shown = views[view];
    fill(group);
    const found = SIDES.map((side) => shown.scores[name]?.[now[side]]?.[index]);
    SIDES.forEach((side, i) => {
      const [ssim, psnr] = found[i] ?? [];
      const other = found[1 - i] ?? [];
      const id = now[side];
      const put = scores[side];
      put.name.textContent = labelOf(group, id);
      put.ssim.textContent = found[i] ? `SSIM ${fixed(ssim, 3)}` : id === "ground-truth" ? "reference" : "";
      put.psnr.textContent = found[i] ? `PSNR ${fixed(psnr, 1)} dB` : "";
      put.ssim.classList.toggle("mrinb-best", ssim > other[0]);
      put.psnr.classList.toggle("mrinb-best", psnr > other[1]);
      root.style.setProperty(`--${side}`, `var(--tint-${tintOf(group, id)})`);
    });
    const words = `${shown.name}, slice ${index + 1}, ${name}${errors(group) ? ", error maps" : ""}`;
    paper.textContent = (several ? `${exhibit.menu}: ${group.label}. ` : "") + words;
    canvas.setAttribute(
      "aria-label",
      `${words}: left ${labelOf(group, now.left)}, right ${labelOf(group, now.right)}`,
    );
    notes.textContent = shown.notes.join(" · ");
    scrubber.hidden = shown.slices === 1;
    scrub.max = shown.slices;
    scrub.value = index + 1;
    scrubbed.textContent = `${index + 1} / ${shown.slices}`;
    for (const side of SIDES) choose[side].value = now[side];
    chooseGroup.value = shown.group;
    chooseModel.value = name;
    chooseView.value = view;
    smooth.input.checked = model.get("smooth");
    error.input.checked = model.get("error_map");
    gain.value = model.get("gain");
    error.node.hidden = !group.fixed.includes("ground-truth");
    scale.hidden = !errors(group);
    scaleEnd.textContent = `${100 / model.get("gain")} % of white`;
    const percent = Math.round(model.get("divider") * 100);
    handle.style.left = `${model.get("divider") * 100}%`;
    handle.setAttribute("aria-valuenow", percent);
    handle.setAttribute("aria-valuetext", `${percent} % left, ${100 - percent} % right`);
    stage.style.setProperty("--mrinb-aspect", `${shown.width} / ${shown.height}`);
    const zoom = model.get("zoom");
    zoomed.textContent = zoom > 1 ? `× ${fixed(zoom, 1)}` : "";
    stage.classList.toggle("mrinb-zoomed", zoom > 1);
  }

  function paint() {
    if (!laidOut(canvas, update)) return;
    const now = current();
    const { view, model: name, slice_index: index } = now;
    const pieces = books.pieces(view, name);
    const context = fit(canvas);
    context.fillStyle = "#000";
    context.fillRect(0, 0, canvas.width, canvas.height);
    if (!books.ready(pieces)) return wait(view, pieces);
    if (!hinting) message.hidden = true;
    stage.removeAttribute("aria-busy");

    const shown = views[view];
    const one = Math.min(canvas.width / shown.width, canvas.height / shown.height) * model.get("zoom");
    const [width, height] = [shown.width * one, shown.height * one];
    const [x, y] = [canvas.width / 2 - model.get("x") * width, canvas.height / 2 - model.get("y") * height];
    const split = Math.round(model.get("divider") * canvas.width);
    const gainNow = errors(now.group) ? model.get("gain") : 0;
    const target = books.sheet(pieces, "ground-truth");
    context.imageSmoothingEnabled = model.get("smooth");
    context.imageSmoothingQuality = "high";
    for (const side of SIDES) {
      const id = now[side];
      const key = JSON.stringify([view, name, id, index, gainNow]);
      const from = { sheet: books.sheet(pieces, id), index };
      const picture = slice(key, from, { sheet: target, index }, shown, gainNow);
      context.save();
      context.beginPath();
      if (side === "left") context.rect(0, 0, split, canvas.height);
      else context.rect(split, 0, canvas.width - split, canvas.height);
      context.clip();
      context.drawImage(picture, x, y, width, height);
      context.restore();
    }
    root.dataset.drawn = +(root.dataset.drawn ?? 0) + 1;
  }

  function wait(view, pieces) {
    clearTimeout(hinting);
    hinting = 0;
    const { name } = views[view];
    const words = [name, name, "choose other test data"];
    awaitImages(stage, message, books.ask(pieces), words, update);
  }

  const update = oncePerFrame(() => {
    say();
    paint();
  });
  model.on("change", update);
  const unwatch = watch(stage, update);
  update();
  books.ask(books.pieces(current().view, current().model)).then(
    () => setTimeout(books.warm, 50),
    () => {},
  );
  return () => {
    model.off("change", update);
    unwatch();
  };
}

export default { render };

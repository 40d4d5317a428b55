// Shared by every widget: it is put in front of the widget's own module, so that each is one file.
// A widget's module ends with `export default { render }`. In a page `mount` calls `render` with a
// stand-in model over the state kept in the page; live in Jupyter, anywidget does with its model.

let lastId = 0;
const uid = (what) => `mrinb-${what}-${Date.now().toString(36)}-${++lastId}`;

function build(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child != null));
  return node;
}
const h = (tag, attributes, ...children) => build(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));
const fixed = (value, digits) => (Number.isFinite(value) ? value.toFixed(digits) : "–");

/** A label above its control; `control` may be followed by an output. */
function field(label, control, ...rest) {
  control.id ||= uid("control");
  return h("div", { class: "mrinb-field" }, h("label", { for: control.id }, label), control, ...rest);
}

function select(options, onchange) {
  const node = h("select", { onchange: () => onchange(node.value) });
  for (const [value, label] of options) node.append(h("option", { value }, label));
  return node;
}

function range(min, max, step, oninput) {
  return h("input", { type: "range", min, max, step, oninput: (event) => oninput(+event.target.value) });
}

function checkbox(label, onchange) {
  const input = h("input", { type: "checkbox", onchange: () => onchange(input.checked) });
  return { input, node: h("label", { class: "mrinb-check" }, input, label) };
}

/** Run `draw` once in the next frame, however often it is asked for. */
function oncePerFrame(draw) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      draw();
    });
  };
}

/**
 * The widget's root: its title, its direction (left is left in every document), its keys.
 * What is typed in it stays in it: a notebook would cut or delete the cell, slides would turn.
 */
function widgetRoot(kind, label, model) {
  const title = model.get("title");
  const heading = title ? h("p", { class: "mrinb-title", id: uid("title") }, title) : null;
  const name = heading ? { "aria-labelledby": heading.id } : { "aria-label": label };
  const root = h("section", { class: `mrinb-widget mrinb-${kind}`, dir: "ltr", lang: "en", ...name }, heading);
  for (const type of ["keydown", "keypress", "keyup"]) {
    root.addEventListener(type, (event) => {
      const forHost = (event.ctrlKey || event.metaKey) && event.key !== "Enter"; // such as to save
      if (!forHost) event.stopPropagation();
    });
  }
  return root;
}

/** What the controls say, in one line for paper, where there are none. */
const printed = () => h("p", { class: "mrinb-printed" });

/** Call `update` whenever the node gets another size or comes into view; returns what ends it. */
function watch(node, update) {
  const sizes = new ResizeObserver(update);
  const views = new IntersectionObserver(update);
  for (const observer of [sizes, views]) observer.observe(node);
  return () => {
    for (const observer of [sizes, views]) observer.disconnect();
  };
}

/**
 * Whether the node has a size. Where it has none (hidden, or while a host swaps its styles, which
 * tells nobody when it is done), `update` is tried again for a while; `watch` sees the rest.
 */
function laidOut(node, update) {
  const shown = node.clientWidth > 0;
  node.tries = shown ? 0 : (node.tries ?? 0) + 1;
  if (!shown && node.tries < 20) setTimeout(update, 100);
  return shown;
}

/** Set several values, tell the kernel (if there is one) once. */
function change(model, values) {
  for (const [key, value] of Object.entries(values)) model.set(key, value);
  model.save_changes();
}

// --- images -------------------------------------------------------------------------------------

/** Decode a data URI now, so that drawing it later costs no decoding. */
async function bitmap(uri) {
  const image = new Image();
  image.src = uri;
  await image.decode();
  return createImageBitmap(image);
}

function blank(width, height) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  return canvas;
}

/** A canvas as sharp as the screen, whatever its size in the page. */
function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const width = Math.max(1, Math.round(canvas.clientWidth * ratio));
  const height = Math.max(1, Math.round(canvas.clientHeight * ratio));
  if (canvas.width !== width || canvas.height !== height) {
    canvas.width = width;
    canvas.height = height;
  }
  return canvas.getContext("2d");
}

// Stops of a perceptually even colour scale, black to pale yellow, for the error map.
const HEAT = [
  [0, 0, 4], [27, 12, 65], [74, 12, 107], [120, 28, 109], [165, 44, 96],
  [207, 68, 70], [237, 105, 37], [251, 155, 6], [247, 209, 61], [252, 255, 164],
];
const HEAT_TABLE = Array.from({ length: 256 }, (_, value) => {
  const at = (value / 255) * (HEAT.length - 1);
  const low = Math.min(Math.floor(at), HEAT.length - 2);
  return HEAT[low].map((from, i) => Math.round(from + (HEAT[low + 1][i] - from) * (at - low)));
});
const HEAT_CSS = `linear-gradient(to right, ${HEAT.map((rgb) => `rgb(${rgb})`).join(", ")})`;

/** Slices cut from sheets, as they are or as maps of |image - truth| x gain, a few kept. */
function slicer() {
  const kept = new Map();
  function pixels({ sheet, index }, { width, height }) {
    const canvas = blank(width, height);
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(sheet, 0, -index * height);
    return { canvas, context, data: context.getImageData(0, 0, width, height) };
  }
  function errorMap(from, truth, size, gain) {
    const image = pixels(from, size);
    const reference = pixels(truth, size).data.data;
    const data = image.data.data;
    for (let i = 0; i < data.length; i += 4) {
      const [r, g, b] = HEAT_TABLE[Math.min(255, Math.abs(data[i] - reference[i]) * gain)];
      data[i] = r;
      data[i + 1] = g;
      data[i + 2] = b;
    }
    image.context.putImageData(image.data, 0, 0);
    return image.canvas;
  }
  /** `from` and `truth` are {sheet, index}, where the slice lies; gain 0 shows the image itself. */
  return (key, from, truth, size, gain) => {
    if (!kept.has(key)) {
      if (kept.size >= 48) kept.delete(kept.keys().next().value);
      kept.set(key, gain ? errorMap(from, truth, size, gain) : pixels(from, size).canvas);
    }
    return kept.get(key);
  };
}

// --- sidecars: classic scripts, which load from disk too ------------------------------------------

const sidecars = (window.__mrinb_sidecars ??= { loaded: new Map(), asked: new Map() });
window.__mrinb_sidecar ??= (key, content) => sidecars.loaded.set(key, content);

/** The content of the sidecar KEY, by adding its script to the page; a failure can be tried again. */
function sidecar(key, src) {
  if (sidecars.loaded.has(key)) return Promise.resolve(sidecars.loaded.get(key));
  if (!sidecars.asked.has(key)) {
    const asked = new Promise((resolve, reject) => {
      const script = h("script", { src });
      const fail = () => reject(new Error(`cannot load ${src}`));
      script.addEventListener("error", fail);
      script.addEventListener("load", () =>
        sidecars.loaded.has(key) ? resolve(sidecars.loaded.get(key)) : fail(),
      );
      document.head.append(script);
    });
    asked.catch(() => sidecars.asked.delete(key));
    sidecars.asked.set(key, asked);
  }
  return sidecars.asked.get(key);
}

/** Draw once images have come, or say what to do without them. */
function awaitImages(stage, message, asked, [what, of, instead], update) {
  stage.setAttribute("aria-busy", "true");
  message.textContent = `Loading ${what} …`;
  message.hidden = false;
  asked.then(update, (problem) => {
    stage.removeAttribute("aria-busy");
    message.replaceChildren(
      `The images of ${of} could not be loaded (${problem.message}). ` +
        `Keep the book's _static folder beside its pages, or ${instead}. `,
      h("button", { type: "button", onclick: update }, "Try again"),
    );
  });
}

/** Decoded sheets by piece: {sheets: {name: data URI}} in the page, or {key, src} in a sidecar. */
function shelf() {
  const decoded = new Map(); // piece -> {name: bitmap}
  const asked = new Map();
  async function load(piece) {
    const sheets = piece.sheets ?? (await sidecar(piece.key, piece.src));
    const bitmaps = await Promise.all(Object.values(sheets).map(bitmap));
    decoded.set(piece, Object.fromEntries(Object.keys(sheets).map((name, i) => [name, bitmaps[i]])));
  }
  return {
    ready: (piece) => decoded.has(piece),
    sheet: (piece, name) => decoded.get(piece)?.[name],
    ask(piece) {
      if (!asked.has(piece)) {
        const loading = load(piece);
        loading.catch(() => asked.delete(piece));
        asked.set(piece, loading);
      }
      return asked.get(piece);
    },
  };
}

// --- state in the page's address ------------------------------------------------------------------

const encode = (text) => encodeURIComponent(text).replaceAll("%2F", "/");

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const PREFIX = "view."; // of our names in the query, which is the page's too
const parts = (text) => text.slice(1).split("&").filter(Boolean);
const nameOf = (entry) => entry.slice(0, Math.max(0, entry.indexOf("=")));

/** Whether the address is that of a page with this widget in it, not of an application around it. */
function addressable(model) {
  const app = document.querySelector("#jupyter-config-data, .jp-LabShell") || window.Jupyter;
  return Boolean(model.page) && window.top === window && !app && /^(https?|file):$/.test(location.protocol);
}

/**
 * Keep a widget's state in the address as `?view.NAME=key:value,key:value`, beside other widgets';
 * the part after # is left to the page's headings, so that a click on one keeps the view.
 * `fields` are {key, trait, write(value) -> text, read(text) -> value or undefined}; a field that
 * still has its first value is left out unless it is `always` written.
 * Returns { link() } or null where the address is not the page's own (in JupyterLab, in a frame).
 */
function bindAddress(model, root, fields) {
  if (!addressable(model)) return null;
  const taken = (window.__mrinb_names ??= new Set());
  let name = model.get("name");
  for (let n = 2; taken.has(name); n++) name = `${model.get("name")}${n}`;
  taken.add(name);
  root.dataset.name = name;
  const key = PREFIX + name;

  const first = new Map(fields.map(({ trait }) => [trait, model.get(trait)]));
  const entry = () =>
    `${encode(key)}=` +
    fields
      .filter(({ trait, always }) => always || model.get(trait) !== first.get(trait))
      .map(({ key: own, trait, write }) => `${own}:${encode(write(model.get(trait)))}`)
      .join(",");
  const isOurs = (one) => decode(nameOf(one)) === key;
  const isOld = (one) => nameOf(one) === name; // earlier books kept the view after #
  const find = () => parts(location.hash).find(isOld) ?? parts(location.search).find(isOurs);
  let applying = false;
  let timer = 0;

  const apply = () => {
    const found = find();
    if (!found) return false;
    const given = new Map();
    for (const pair of found.slice(nameOf(found).length + 1).split(",")) {
      const colon = pair.indexOf(":");
      given.set(pair.slice(0, colon), decode(pair.slice(colon + 1)));
    }
    applying = true;
    for (const { key: own, trait, read } of fields) {
      const value = given.has(own) ? read(given.get(own)) : undefined;
      model.set(trait, value === undefined ? first.get(trait) : value);
    }
    applying = false;
    return true;
  };
  const write = () => {
    const search = [...parts(location.search).filter((one) => !isOurs(one)), entry()].join("&");
    const hash = parts(location.hash).filter((one) => !isOld(one)).join("&");
    history.replaceState(history.state, "", `?${search}${hash && `#${hash}`}`);
  };

  const again = performance.getEntriesByType("navigation")[0]?.type === "reload"; // the browser scrolls
  const heading = parts(location.hash).some((one) => !nameOf(one));
  if (apply() && !again && !heading && !window.__mrinb_shown) {
    window.__mrinb_shown = true; // the first of several
    requestAnimationFrame(() => root.scrollIntoView({ block: "nearest" }));
  }
  window.addEventListener("hashchange", () => parts(location.hash).some(isOld) && apply());
  model.on("change", () => {
    if (applying) return;
    clearTimeout(timer); // browsers limit how often the address may change
    timer = setTimeout(write, 150);
  });
  return { link: () => `${location.href.split(/[?#]/)[0]}?${entry()}` };
}

function numberField(key, trait, low, high) {
  return {
    key,
    trait,
    write: (value) => String(+value.toFixed(3)),
    read: (text) => (text !== "" && Number.isFinite(+text) ? clamp(+text, low, high) : undefined),
  };
}

function flagField(key, trait) {
  return { key, trait, write: (value) => (value ? "1" : "0"), read: (text) => text === "1" };
}

/** A button that copies the link, with what happened said beside it. */
function copyButton(address) {
  if (!address) return null;
  const said = h("span", { class: "mrinb-said", role: "status" });
  const copy = async () => {
    const link = address.link();
    try {
      await navigator.clipboard.writeText(link);
      said.textContent = "Link copied";
    } catch {
      const box = h("input", { class: "mrinb-link", readonly: true, "aria-label": "Link to this view" });
      box.value = link; // no clipboard here: show the link, selected
      said.replaceChildren(box);
      box.select();
    }
  };
  const button = h("button", { type: "button", onclick: copy }, "Copy link to this view");
  return h("span", { class: "mrinb-copy" }, button, said);
}

// --- a stored page --------------------------------------------------------------------------------

/** What `render` needs of a model, over a plain object. */
function standIn(state) {
  const heard = new Map();
  return {
    page: true,
    get: (key) => state[key],
    set(key, value) {
      if (state[key] === value) return;
      state[key] = value;
      for (const name of [`change:${key}`, "change"]) for (const call of heard.get(name) ?? []) call();
    },
    on(name, call) {
      heard.set(name, [...(heard.get(name) ?? []), call]);
    },
    off(name, call) {
      heard.set(name, (heard.get(name) ?? []).filter((other) => call && other !== call));
    },
    save_changes() {},
  };
}

/** Bring every stored output with this digest to life, in place of its still picture. */
function mount(widget, digest) {
  for (const place of document.querySelectorAll(`[data-mrinb="${digest}"]:not([data-live])`)) {
    place.dataset.live = "";
    const state = JSON.parse(place.querySelector('script[type="application/json"]').textContent);
    const el = h("div");
    widget.render({ model: standIn(state), el });
    place.querySelector(".mrinb-still").replaceWith(el);
  }
}

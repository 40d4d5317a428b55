// The mask explorer: undersample one slice, and see mask, image, point spread and numbers.

const KINDS = {
  equispaced: "Equidistant, exact stride (the paper)",
  equispaced_fraction: "Equidistant, adjusted stride (fastMRI)",
  random: "Random",
};
const SHOWN = { "zero-filled": "Zero-filled", target: "Ground truth", error: "Error × 5" };
const GAIN = 5;

// --- masks: fastMRI's, line for line ----------------------------------------------------------

/** Halves go to the even neighbour, as in Python and NumPy. */
function roundEven(value) {
  const low = Math.floor(value);
  const rest = value - low;
  return rest < 0.5 || (rest === 0.5 && low % 2 === 0) ? low : low + 1;
}

/** The stream of uniform numbers of numpy.random.RandomState(seed) (Mersenne Twister 19937). */
function uniforms(seed) {
  const state = new Uint32Array(624);
  state[0] = seed;
  for (let i = 1; i < 624; i++) {
    const last = state[i - 1] ^ (state[i - 1] >>> 30);
    state[i] = Math.imul(1812433253, last) + i;
  }
  let at = 624;
  const twist = () => {
    for (let i = 0; i < 624; i++) {
      const mixed = (state[i] & 0x80000000) | (state[(i + 1) % 624] & 0x7fffffff);
      state[i] = state[(i + 397) % 624] ^ (mixed >>> 1) ^ (mixed & 1 ? 0x9908b0df : 0);
    }
    at = 0;
  };
  const next = () => {
    if (at === 624) twist();
    let y = state[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  };
  return () => ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
}

const lowLines = (width, fraction) => roundEven(width * fraction);

/** Distance of the outer lines at which width / acceleration lines are kept; not positive: none. */
function adjustedStride(width, acceleration, fraction) {
  const low = lowLines(width, fraction);
  return (acceleration * (low - width)) / (low * acceleration - width);
}

/** How many offsets differ. */
function offsets(kind, width, acceleration, fraction) {
  if (kind === "equispaced") return acceleration;
  const stride = adjustedStride(width, acceleration, fraction);
  return stride > 0 && Number.isFinite(stride) ? Math.max(1, roundEven(stride)) : 1;
}

/** Which lines are kept, one byte a line. */
function maskLines(kind, width, acceleration, fraction, offset) {
  const kept = new Uint8Array(width);
  const low = lowLines(width, fraction);
  const start = Math.floor((width - low + 1) / 2);
  if (kind === "equispaced") {
    for (let i = offset; i < width; i += acceleration) kept[i] = 1;
  } else if (kind === "equispaced_fraction") {
    const stride = adjustedStride(width, acceleration, fraction);
    if (stride > 0 && Number.isFinite(stride)) {
      const step = offset + stride - offset; // rounded as numpy.arange rounds it
      const count = Math.ceil((width - 1 - offset) / stride);
      for (let i = 0; i < count; i++) kept[roundEven(offset + i * step)] = 1;
    }
  } else {
    const chance = low < width ? (width / acceleration - low) / (width - low) : 0;
    const uniform = uniforms(offset);
    for (let i = 0; i < width; i++) kept[i] = uniform() < chance ? 1 : 0;
  }
  kept.fill(1, start, start + low);
  return kept;
}

// --- images -----------------------------------------------------------------------------------

const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;

/** The slice's numbers, and the centred inverse DFT along phase encoding over the kept lines. */
function physics({ coils, height, width, hybrid, scale, target }) {
  const whole = new Int16Array(bytes(hybrid));
  const truth = new Float32Array(bytes(target));
  const rows = coils * height;
  const [real, imaginary] = [new Float32Array(rows * width), new Float32Array(rows * width)];
  for (let i = 0; i < rows * width; i++) {
    real[i] = whole[i] * scale[i % width];
    imaginary[i] = whole[i + rows * width] * scale[i % width];
  }
  const centre = Math.floor(width / 2);
  const [cosines, sines] = [new Float32Array(width * width), new Float32Array(width * width)];
  for (let k = 0; k < width; k++) {
    for (let x = 0; x < width; x++) {
      const turn = (((k - centre) * (x - centre)) % width) / width;
      cosines[k * width + x] = Math.cos(2 * Math.PI * turn) / Math.sqrt(width);
      sines[k * width + x] = Math.sin(2 * Math.PI * turn) / Math.sqrt(width);
    }
  }
  function zeroFilled(lines) {
    const squares = new Float32Array(height * width);
    const [re, im] = [new Float32Array(width), new Float32Array(width)];
    for (let row = 0; row < rows; row++) {
      re.fill(0);
      im.fill(0);
      for (const k of lines) {
        const a = real[row * width + k]; // no [a, b] = [...] here: three times slower
        const b = imaginary[row * width + k];
        const at = k * width;
        for (let x = 0; x < width; x++) {
          const c = cosines[at + x];
          const s = sines[at + x];
          re[x] += a * c - b * s;
          im[x] += a * s + b * c;
        }
      }
      const to = (row % height) * width;
      for (let x = 0; x < width; x++) squares[to + x] += re[x] * re[x] + im[x] * im[x];
    }
    return squares.map(Math.sqrt);
  }
  function pointSpread(lines) {
    const spread = new Float64Array(width);
    for (let x = 0; x < width; x++) {
      let [re, im] = [0, 0];
      for (const k of lines) {
        re += cosines[k * width + x];
        im += sines[k * width + x];
      }
      spread[x] = (Math.hypot(re, im) * Math.sqrt(width)) / lines.length;
    }
    return spread;
  }
  let [white, energy] = [0, 0];
  for (const value of truth) {
    white = Math.max(white, value);
    energy += value * value;
  }
  function errors(image) {
    let sum = 0;
    for (let i = 0; i < image.length; i++) sum += (image[i] - truth[i]) ** 2;
    return { nmse: sum / energy, psnr: 10 * Math.log10((white * white * image.length) / sum) };
  }
  return { truth, white, zeroFilled, pointSpread, errors };
}

/** Draw numbers as grey, 0 black and `white` white, upright (they are stored upside down). */
function paintImage(canvas, values, white, { width, height }) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(width, height);
  for (let row = 0; row < height; row++) {
    for (let x = 0; x < width; x++) {
      const to = 4 * ((height - 1 - row) * width + x);
      image.data.fill((255 * values[row * width + x]) / white, to, to + 3);
      image.data[to + 3] = 255;
    }
  }
  context.putImageData(image, 0, 0);
}

/** Draw k-space with the lines that are not kept darkened, and the kept ones marked at the edges. */
function paintMask(canvas, picture, kept, { width, height }) {
  const context = canvas.getContext("2d");
  context.fillStyle = "#000";
  context.fillRect(0, 0, canvas.width, canvas.height);
  const [sx, sy] = [canvas.width / width, canvas.height / height];
  context.imageSmoothingEnabled = false;
  if (picture) context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  for (let k = 0; k < width; k++) {
    context.fillStyle = kept[k] ? "#ffd166" : "rgb(8 12 16 / 82%)";
    if (kept[k]) {
      context.fillRect(k * sx, 0, sx, 2.5 * sy);
      context.fillRect(k * sx, canvas.height - 2.5 * sy, sx, 2.5 * sy);
    } else context.fillRect(k * sx, 0, sx, canvas.height);
  }
}

/** The point spread along phase encoding, as a plot. */
function spreadPlot(spread, width) {
  const [height, left, bottom, top] = [170, 40, 32, 22];
  const n = spread.length;
  const x = (i) => left + ((width - left - 6) * (i + 0.5)) / n;
  const y = (value) => height - bottom - (height - bottom - top) * value;
  const parts = [0, 0.25, 0.5, 0.75, 1].flatMap((value) => [
    svg("path", { class: "mrinb-grid", d: `M${left} ${y(value)}H${width - 6}` }),
    svg("text", { x: left - 6, y: y(value) + 4, "text-anchor": "end" }, String(value)),
  ]);
  const centre = Math.floor(n / 2);
  const line = Array.from(spread, (value, i) => `${fixed(x(i), 1)} ${fixed(y(value), 1)}`).join("L");
  parts.push(svg("path", { class: "mrinb-area", d: `M${x(0)} ${y(0)}L${line}L${x(n - 1)} ${y(0)}Z` }));
  for (const pixel of [-centre, -Math.round(n / 4), 0, Math.round(n / 4), n - 1 - centre]) {
    parts.push(svg("text", { x: x(centre + pixel), y: height - 16, "text-anchor": "middle" }, String(pixel)));
  }
  parts.push(svg("text", { x: (left + width) / 2, y: height - 2, "text-anchor": "middle" }, "distance along phase encoding, pixels"));
  parts.push(svg("text", { x: 6, y: 12 }, "point spread, 1 = the pixel itself"));
  const aside = spread.filter((value, i) => Math.abs(i - centre) > 2);
  const label = `Point spread function: largest value aside from the centre ${fixed(Math.max(...aside), 2)}.`;
  return svg("svg", { class: "mrinb-plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...parts);
}

function render({ model, el }) {
  const data = model.get("data");
  const { width, height } = data;
  const lab = physics(data);
  const set = (key) => (value) => change(model, { [key]: value });
  const state = () =>
    Object.fromEntries(["kind", "acceleration", "center_fraction", "offset", "show"].map((key) => [key, model.get(key)]));

  /** Change values, then hold the offset within what the new mask allows. */
  const setMask = (values) => {
    const next = { ...state(), ...values };
    if (next.kind !== "random") {
      const last = offsets(next.kind, width, next.acceleration, next.center_fraction) - 1;
      values.offset = Math.min(next.offset, last);
    }
    change(model, values);
  };

  const kind = select(Object.entries(KINDS), (value) => setMask({ kind: value }));
  const presets = data.presets.map(([factor, fraction]) =>
    h(
      "button",
      {
        type: "button",
        title: `acceleration ${factor}, centre fraction ${fraction}: the paper's code`,
        onclick: () => setMask({ acceleration: factor, center_fraction: fraction }),
      },
      `${factor}×`,
    ),
  );
  const acceleration = range(1, 16, 1, (value) => setMask({ acceleration: value }));
  const fraction = range(0, 0.4, 0.01, (value) => setMask({ center_fraction: value }));
  const offset = range(0, 1, 1, set("offset"));
  const outputs = [h("output"), h("output"), h("output")];
  const offsetField = field("Offset", offset, outputs[2]);
  const show = select(Object.entries(SHOWN), set("show"));

  const maskCanvas = blank(width * 4, height * 4);
  maskCanvas.setAttribute("role", "img");
  const imageCanvas = blank(width, height);
  imageCanvas.setAttribute("role", "img");
  const numbers = h("dl", { class: "mrinb-numbers" });
  const said = h("p", { class: "mrinb-notes", role: "status" });
  const plot = h("div", { class: "mrinb-panel" });
  const fieldWith = (className, node) => {
    node.classList.add(className);
    return node;
  };
  const paper = printed();
  const root = widgetRoot("mask", "Explore undersampling masks", model);
  root.append(
    h(
      "div",
      { class: "mrinb-controls" },
      fieldWith("mrinb-wide", field("Mask", kind)),
      h(
        "div",
        { class: "mrinb-field", role: "group", "aria-label": "The paper's accelerations" },
        h("span", { class: "mrinb-label" }, "As in the paper"),
        h("span", { class: "mrinb-presets" }, ...presets),
      ),
    ),
    h(
      "div",
      { class: "mrinb-controls mrinb-sliders" },
      field("Acceleration", acceleration, outputs[0]),
      field("Centre fraction", fraction, outputs[1]),
      offsetField,
    ),
    h(
      "div",
      { class: "mrinb-viewer" },
      h(
        "div",
        { class: "mrinb-pictures" },
        h("figure", {}, h("figcaption", {}, "k-space and kept lines"), maskCanvas),
        h("figure", {}, h("figcaption", {}, h("label", { for: (show.id = uid("show")) }, "Image"), show), imageCanvas),
      ),
      h("div", { "aria-live": "polite" }, numbers),
    ),
    said,
    paper,
    plot,
    h("p", { class: "mrinb-notes" }, data.notes.join(" · ")),
  );
  el.append(root);

  const whole = (key, trait, low, high) => ({
    key,
    trait,
    always: true,
    write: String,
    read: (text) => (text !== "" && Number.isInteger(+text) ? clamp(+text, low, high) : undefined),
  });
  const among = (key, names) => ({
    key,
    trait: key,
    always: key === "kind",
    write: String,
    read: (text) => (text in names ? text : undefined),
  });
  const address = bindAddress(model, root, [
    among("kind", KINDS),
    whole("acceleration", "acceleration", 1, 16),
    {
      key: "centre",
      trait: "center_fraction",
      always: true,
      write: (value) => String(+value.toFixed(4)),
      read: (text) => (text !== "" && Number.isFinite(+text) ? clamp(+text, 0, 0.4) : undefined),
    },
    {
      ...whole("offset", "offset", 0, 99),
      read: (text) => {
        const now = state();
        const last = now.kind === "random" ? 99 : offsets(now.kind, width, now.acceleration, now.center_fraction) - 1;
        return text !== "" && Number.isInteger(+text) ? clamp(+text, 0, last) : undefined;
      },
    },
    among("show", SHOWN),
  ]);
  const foot = copyButton(address);
  if (foot) root.append(h("div", { class: "mrinb-foot" }, foot));

  let picture = null;
  let computed = { key: null };
  function compute({ kind: name, acceleration: factor, center_fraction: share, offset: first }) {
    const key = [name, factor, share, first].join();
    if (computed.key === key) return computed;
    const kept = maskLines(name, width, factor, share, first);
    const lines = [...kept.keys()].filter((k) => kept[k]);
    const image = lab.zeroFilled(lines);
    computed = { key, kept, lines, image, ...lab.errors(image), spread: lines.length ? lab.pointSpread(lines) : null };
    return computed;
  }

  function sayControls(now) {
    const random = now.kind === "random";
    kind.value = now.kind;
    show.value = now.show;
    acceleration.value = now.acceleration;
    fraction.value = now.center_fraction;
    offset.max = random ? 99 : offsets(now.kind, width, now.acceleration, now.center_fraction) - 1;
    offset.value = now.offset;
    offset.disabled = +offset.max === 0;
    offsetField.firstChild.textContent = random ? "Seed" : "Offset";
    outputs[0].textContent = `${now.acceleration}×`;
    outputs[1].textContent = `${fixed(100 * now.center_fraction, 0)} %`;
    outputs[2].textContent = `${now.offset}`;
    presets.forEach((button, i) => {
      const [factor, share] = data.presets[i];
      const pressed = now.acceleration === factor && Math.abs(now.center_fraction - share) < 1e-9;
      button.setAttribute("aria-pressed", pressed);
    });
    paper.textContent =
      `${KINDS[now.kind]}; acceleration ${now.acceleration}, centre fraction ${outputs[1].textContent}, ` +
      `${random ? "seed" : "offset"} ${now.offset}; image: ${SHOWN[now.show]}`;
    const low = lowLines(width, now.center_fraction);
    const full = low * now.acceleration >= width && now.kind !== "equispaced" && now.acceleration > 1;
    said.textContent = full
      ? `The centre alone (${low} lines) is at least 1/${now.acceleration} of ${width}: no outer lines are kept.`
      : "";
  }

  function sayNumbers(now, { lines, nmse, psnr }) {
    const exact = nmse < 1e-7; // what 16-bit integers can tell
    const pairs = [
      ["nominal", `${now.acceleration}×`],
      ["effective", lines.length ? `${fixed(width / lines.length, 2)}×` : "–"],
      ["lines kept", `${lines.length} / ${width}`],
      ["NMSE", exact ? "0" : fixed(nmse, 4)],
      ["PSNR", exact ? "exact" : `${fixed(psnr, 2)} dB`],
    ];
    numbers.replaceChildren(
      ...pairs.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", { "data-number": name }, value))),
    );
  }

  let wide = 640; // until it is known
  const update = oncePerFrame(() => {
    const now = state();
    const result = compute(now);
    sayControls(now);
    sayNumbers(now, result);
    paintMask(maskCanvas, picture, result.kept, data);
    maskCanvas.setAttribute("aria-label", `k-space of ${width} lines, ${result.lines.length} of them kept`);
    const error = now.show === "error";
    const values = now.show === "target" ? lab.truth : error ? result.image.map((v, i) => Math.abs(v - lab.truth[i])) : result.image;
    paintImage(imageCanvas, values, error ? lab.white / GAIN : lab.white, data);
    imageCanvas.setAttribute("aria-label", `${SHOWN[now.show]} image, ${now.acceleration}-fold ${KINDS[now.kind]}`);
    if (laidOut(root, update)) wide = clamp(root.clientWidth, 320, 960);
    plot.replaceChildren(...(result.spread ? [spreadPlot(result.spread, wide)] : []));
    root.dataset.lines = result.lines.join(" ");
    root.dataset.drawn = +(root.dataset.drawn ?? 0) + 1;
  });
  model.on("change", update);
  const unwatch = watch(root, update);
  bitmap(data.kspace).then((decoded) => {
    picture = decoded;
    update();
  });
  update();
  return () => {
    model.off("change", update);
    unwatch();
  };
}

export default { render };

// The toy lesson of Section 3: y = x + e, x on the unit sphere of a d-dimensional subspace.

const NAMES = ["P", "Q"];
const linearRisk = (alpha, sigma, d) => (1 - alpha) ** 2 + alpha ** 2 * d * sigma ** 2;
const bestAlpha = (variance, d) => 1 / (1 + d * variance);

/** All numbers of the lesson for two steps of the sliders. */
function lesson({ d, sigmas, nonlinear, error }, p, q) {
  const sigma = [sigmas[p], sigmas[q]];
  const own = sigma.map((s) => bestAlpha(s * s, d));
  const joint = bestAlpha((sigma[0] ** 2 + sigma[1] ** 2) / 2, d);
  return {
    sigma,
    own,
    joint,
    risks: [p, q].map((step, i) => ({
      "own linear": { value: linearRisk(own[i], sigma[i], d) },
      "joint linear": { value: linearRisk(joint, sigma[i], d) },
      "non-linear": { value: nonlinear[step], error: error[step] },
    })),
  };
}

/** What the sliders show, in words. */
function words({ sigma, own, joint, risks }) {
  if (sigma[0] === sigma[1]) {
    return (
      `P and Q have the same noise, σ = ${sigma[0]}: one factor α = ${fixed(joint, 2)} is best for both, ` +
      "and nothing is lost by training jointly. Move the sliders apart."
    );
  }
  const loss = (i, kind) => 100 * (risks[i][kind].value / risks[i]["own linear"].value - 1);
  const quiet = sigma[0] < sigma[1] ? 0 : 1;
  const loud = 1 - quiet;
  const part = (i, verb) =>
    `on ${NAMES[i]} it ${verb} too much (α = ${fixed(joint, 2)} instead of ${fixed(own[i], 2)}; ` +
    `risk ${fixed(loss(i, "joint linear"), 1)} % above the best linear)`;
  const worst = Math.max(loss(0, "non-linear"), loss(1, "non-linear"));
  const nonlinear =
    worst < 5
      ? "The non-linear estimator, which reads the noise level off each observation, is within " +
        `${fixed(Math.max(0.1, worst), 1)} % of the best linear one on both: it need not choose.`
      : "The non-linear estimator, which reads the noise level off each observation, is up to " +
        `${fixed(worst, 1)} % above the best linear one: it pays for estimating the noise.`;
  return (
    `The joint linear estimator has one factor for two noise levels: ${part(quiet, "shrinks")}, ` +
    `and ${part(loud, "keeps")}. ${nonlinear}`
  );
}

const plotText = (x, y, text, extra) => svg("text", { x, y, ...extra }, text);

/** Bars of the three risks, for P and for Q. */
function bars({ risks, sigma }) {
  const [width, height, left, right, top, bottom] = [360, 230, 40, 8, 22, 34];
  const kinds = Object.keys(risks[0]);
  const highest = Math.max(...risks.flatMap((risk) => kinds.map((kind) => risk[kind].value)));
  const limit = niceLimit(highest * 1.12);
  const y = (value) => height - bottom - ((height - top - bottom) * value) / limit;
  const parts = yAxis(limit, y, left, width - right, "risk");
  const group = (width - left - right) / 2;
  risks.forEach((risk, i) => {
    kinds.forEach((kind, k) => {
      const { value, error } = risk[kind];
      const barWidth = group / 4.2;
      const x = left + i * group + group * 0.14 + k * barWidth;
      parts.push(
        svg("rect", {
          class: `mrinb-bar-${kind.replace(" ", "-")} mrinb-of-${NAMES[i]}`,
          x,
          y: y(value),
          width: barWidth * 0.86,
          height: y(0) - y(value),
        }),
      );
      const middle = x + barWidth * 0.43;
      if (error) {
        const [low, high] = [y(value - 2 * error), y(value + 2 * error)];
        parts.push(svg("path", { class: "mrinb-error", d: `M${middle} ${low}V${high}` }));
      }
      parts.push(plotText(middle, y(value) - 6, fixed(value, 3), { "text-anchor": "middle", class: "mrinb-value" }));
    });
    const label = `${NAMES[i]}: σ = ${sigma[i]}`;
    parts.push(
      plotText(left + (i + 0.48) * group, height - 12, label, { "text-anchor": "middle", class: `mrinb-text-${NAMES[i]}` }),
    );
  });
  const said = risks.map(
    (risk, i) => `${NAMES[i]}: ${kinds.map((kind) => `${kind} ${fixed(risk[kind].value, 3)}`).join(", ")}`,
  );
  return picture(width, height, `Risks. ${said.join(". ")}.`, parts);
}

/** Risk against the factor alpha, for P and for Q, with the optima. */
function curves({ sigma, own, joint }, d) {
  const [width, height, left, right, top, bottom] = [360, 230, 40, 10, 22, 34];
  const limit = niceLimit(clamp(1.15 * linearRisk(joint, Math.max(...sigma), d), 0.6, 1.2));
  const x = (alpha) => left + (width - left - right) * alpha;
  const y = (value) => height - bottom - ((height - top - bottom) * value) / limit;
  const parts = yAxis(limit, y, left, width - right, "risk");
  for (const alpha of [0, 0.25, 0.5, 0.75, 1]) {
    parts.push(plotText(x(alpha), height - bottom + 13, String(alpha), { "text-anchor": "middle" }));
  }
  parts.push(plotText((left + width - right) / 2, height - 4, "factor α of the linear estimator", { "text-anchor": "middle" }));
  parts.push(svg("path", { class: "mrinb-joint", d: `M${x(joint)} ${y(0)}V${top - 4}` }));
  parts.push(
    plotText(x(joint), top - 8, `joint α = ${fixed(joint, 2)}`, {
      "text-anchor": joint > 0.8 ? "end" : joint < 0.2 ? "start" : "middle",
    }),
  );
  const above = (i) => sigma[i] > sigma[1 - i]; // the label lies where no curve does
  sigma.forEach((s, i) => {
    const steps = Array.from({ length: 101 }, (_, k) => k / 100);
    const shown = steps.filter((alpha) => linearRisk(alpha, s, d) <= limit);
    const line = shown.map((alpha) => `${fixed(x(alpha), 1)} ${fixed(y(linearRisk(alpha, s, d)), 1)}`);
    parts.push(svg("path", { class: `mrinb-curve mrinb-of-${NAMES[i]}`, d: `M${line.join("L")}` }));
    const at = (alpha, kind) => [
      svg("circle", { class: `mrinb-${kind} mrinb-of-${NAMES[i]}`, cx: x(alpha), cy: y(linearRisk(alpha, s, d)), r: 4.5 }),
    ];
    parts.push(...at(joint, "hollow"), ...at(own[i], "dot"));
    const low = y(linearRisk(own[i], s, d));
    parts.push(
      plotText(x(own[i]), above(i) || low > height - bottom - 20 ? low - 9 : low + 17, `${NAMES[i]}: ${fixed(own[i], 2)}`, {
        "text-anchor": own[i] > 0.85 ? "end" : "middle",
        class: `mrinb-text-${NAMES[i]}`,
      }),
    );
  });
  const said = sigma.map((s, i) => `lowest for ${NAMES[i]} at ${fixed(own[i], 2)}`);
  return picture(width, height, `Risk against alpha: ${said.join(", ")}; joint alpha ${fixed(joint, 2)}.`, parts);
}

function niceLimit(value) {
  return [0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1, 1.2, 1.6, 2, 4, 8, 16].find((limit) => limit >= value) ?? value;
}

function yAxis(limit, y, left, right, name) {
  const parts = [plotText(left - 34, 12, name)];
  for (let k = 0; k <= 4; k++) {
    const value = (limit * k) / 4;
    parts.push(svg("path", { class: "mrinb-grid", d: `M${left} ${y(value)}H${right}` }));
    parts.push(plotText(left - 5, y(value) + 4, String(+value.toFixed(3)), { "text-anchor": "end" }));
  }
  return parts;
}

const picture = (width, height, label, parts) =>
  svg("svg", { class: "mrinb-plot", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label }, ...parts);

function render({ model, el }) {
  const data = model.get("data");
  const last = data.sigmas.length - 1;
  const slider = (key) => {
    const input = range(0, last, 1, (value) => change(model, { [key]: value }));
    const shown = h("output");
    return { input, shown, node: field(`Noise σ of ${key.toUpperCase()}`, input, shown) };
  };
  const sliders = { p: slider("p"), q: slider("q") };
  const left = h("div", { class: "mrinb-panel" });
  const right = h("div", { class: "mrinb-panel" });
  const legend = h(
    "p",
    { class: "mrinb-legend" },
    ...["own linear", "joint linear", "non-linear"].map((kind) =>
      h("span", {}, h("i", { class: `mrinb-key mrinb-bar-${kind.replace(" ", "-")}`, "aria-hidden": "true" }), kind),
    ),
  );
  const text = h("p", { class: "mrinb-lesson", "aria-live": "polite" });
  const root = widgetRoot("toy", "Toy problem: two noise levels", model);
  root.append(
    h("div", { class: "mrinb-controls" }, sliders.p.node, sliders.q.node),
    h("div", { class: "mrinb-panels" }, h("div", {}, left, legend), right),
    text,
    h("p", { class: "mrinb-notes" }, data.notes.join(" · ")),
  );
  el.append(root);

  const sigmaField = (key) => ({
    key,
    trait: key,
    always: true,
    write: (step) => String(data.sigmas[step]),
    read: (value) => {
      const step = data.sigmas.indexOf(+value);
      return step < 0 ? undefined : step;
    },
  });
  const address = bindAddress(model, root, [sigmaField("p"), sigmaField("q")]);
  const foot = copyButton(address);
  if (foot) root.append(h("div", { class: "mrinb-foot" }, foot));

  const update = oncePerFrame(() => {
    const now = lesson(data, model.get("p"), model.get("q"));
    Object.entries(sliders).forEach(([key, { input, shown }], i) => {
      input.value = model.get(key);
      input.setAttribute("aria-valuetext", `sigma ${now.sigma[i]}`);
      shown.textContent = `σ = ${now.sigma[i]}`;
    });
    left.replaceChildren(bars(now));
    right.replaceChildren(curves(now, data.d));
    const said = words(now);
    if (text.textContent !== said) text.textContent = said; // read aloud once
    root.dataset.drawn = +(root.dataset.drawn ?? 0) + 1;
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

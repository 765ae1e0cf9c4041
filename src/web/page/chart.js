// One chart: the curves of a metric for all chosen runs on a canvas, and their values as a table below. Before it, how
// elements are made and quantities are written.

// A child of `parent`: `tag.class`, with text that stays text whatever it holds.
export function add(parent, tag, text, ...names) {
  const element = document.createElement(tag);
  if (text !== undefined && text !== null) element.textContent = text;
  element.classList.add(...names);
  parent?.append(element);
  return element;
}

// A colour by its name in the style sheet, as a canvas takes it.
export function colour(name) {
  const probe = add(document.body, "i");
  probe.style.color = `var(${name})`;
  const value = getComputedStyle(probe).color;
  probe.remove();
  return value;
}

export function number(value) {
  if (value === undefined || value === null) return "–";
  if (value === 0 || Number.isInteger(value)) return value.toLocaleString("en");
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(2);
  return size >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(size < 1 ? 4 : 5));
}

export function size(bytes) {
  if (bytes === null || bytes === undefined) return "–";
  const power = bytes < 1024 ? 0 : Math.min(4, Math.floor(Math.log2(bytes) / 10));
  return `${(bytes / 1024 ** power).toFixed(power ? 1 : 0)} ${["B", "KiB", "MiB", "GiB", "TiB"][power]}`;
}

export function age(time) {
  if (!time) return "–";
  const seconds = Math.max(0, Date.now() / 1000 - time);
  const unit = [[86400, "d"], [3600, "h"], [60, "min"]].find(([length]) => seconds >= length) ?? [1, "s"];
  return `${Math.floor(seconds / unit[0])} ${unit[1]} ago`;
}

// Index of the step that is nearest; steps ascend.
function nearest(steps, step) {
  let low = 0, high = steps.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < step) low = middle + 1; else high = middle;
  }
  return low > 0 && step - steps[low - 1] < steps[low] - step ? low - 1 : low;
}

// Exponential mean without the pull towards zero at its beginning.
function smooth(values, weight) {
  let mean = 0, share = 1;
  return values.map((value) => {
    mean = weight * mean + (1 - weight) * value;
    share *= weight;
    return mean / (1 - share);
  });
}

// Round numbers between `low` and `high`.
function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const size = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) * power;
  const all = [];
  for (let n = Math.ceil(low / size); n * size <= high * (1 + 1e-12); n++) all.push(+(n * size).toPrecision(10));
  return all;
}

function logTicks(low, high) {
  const all = [];
  const factors = high / low > 1e4 ? [1] : high / low > 30 ? [1, 3] : [1, 2, 3, 5, 7];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power++)
    for (const factor of factors) {
      const tick = +(factor * 10 ** power).toPrecision(3);
      if (tick >= low && tick <= high) all.push(tick);
    }
  return all.length > 1 ? all : ticks(low, high, 4);
}

const short = (value) => value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)
  ? value.toExponential(Number.isInteger(+value.toPrecision(1) / value) ? 0 : 1).replace("e+", "e")
  : Math.abs(value) >= 10000 ? `${value / 1000}k` : String(value);

const LEFT = 46, RIGHT = 8, TOP = 6, BOTTOM = 20;

export class Chart {
  // `hover` gets the step under the pointer, or null.
  constructor(metric, hint, hover) {
    this.metric = metric;
    this.figure = add(null, "figure", null, "chart");
    const caption = add(this.figure, "figcaption");
    add(caption, "h3", metric);
    add(caption, "span", hint, "hint");
    this.plot = add(this.figure, "div", null, "plot");
    this.plot.tabIndex = 0;
    this.plot.setAttribute("role", "img");
    this.canvas = add(this.plot, "canvas");
    this.cross = add(this.plot, "div", null, "cross");
    this.cross.hidden = true;
    this.values = add(this.figure, "div", null, "values");
    this.series = [];
    this.plot.addEventListener("pointermove", (event) => {
      const share = (event.clientX - this.plot.getBoundingClientRect().left - LEFT) / this.width();
      const step = Math.round(this.low + Math.min(Math.max(share, 0), 1) * (this.high - this.low));
      const { steps = [] } = this.series.reduce((a, b) => (a.steps?.length >= b.steps.length ? a : b), {});
      hover(steps[nearest(steps, step)] ?? null);
    });
    this.plot.addEventListener("pointerleave", () => hover(null));
    this.plot.addEventListener("blur", () => hover(null));
    this.plot.addEventListener("keydown", (event) => {
      const direction = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      const steps = this.series.flatMap((one) => one.steps).sort((a, b) => a - b);
      if (event.key === "Escape") hover(null);
      if (!direction || !steps.length) return;
      event.preventDefault();
      const now = this.step ?? (direction > 0 ? -1 : Infinity);
      const next = direction > 0 ? steps.find((step) => step > now) : steps.findLast((step) => step < now);
      hover(next ?? this.step ?? null);
    });
  }

  width() { return this.plot.clientWidth - LEFT - RIGHT; }

  // Draws `series` ({run, colour, split, steps, values} each) between the steps `low` and `high`.
  draw(series, low, high, { smoothing, log }) {
    Object.assign(this, { series, low, high });
    const [width, height, scale] = [this.plot.clientWidth, this.plot.clientHeight, devicePixelRatio || 1];
    if (!width) return;
    this.canvas.width = width * scale;
    this.canvas.height = height * scale;
    const context = this.canvas.getContext("2d");
    context.scale(scale, scale);
    let least = Infinity, most = -Infinity;
    for (const { values } of series) for (const value of values) {
      if (log && value <= 0) continue;
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    if (least > most) [least, most] = [log ? 0.1 : 0, 1];
    if (least === most) [least, most] = log ? [least / 2, most * 2] : [least - (Math.abs(least) || 1) / 20, most + (Math.abs(most) || 1) / 20];
    const pad = log ? 1.05 : (most - least) * 0.05;
    [least, most] = log ? [least / pad, most * pad] : [least - pad, most + pad];
    const on = log ? Math.log : (value) => value;
    const x = (step) => LEFT + (step - low) / (high - low || 1) * this.width();
    const y = (value) => height - BOTTOM - (on(value) - on(least)) / (on(most) - on(least)) * (height - TOP - BOTTOM);
    this.x = x;
    this.grid(context, width, height, x, y, log ? logTicks(least, most) : ticks(least, most, 5));
    context.save();
    context.beginPath();
    context.rect(LEFT, TOP - 2, this.width() + RIGHT, height - TOP - BOTTOM + 4);
    context.clip();
    for (const { colour: stroke, split, steps, values } of series) {
      context.strokeStyle = context.fillStyle = stroke;
      const valid = split !== "train";
      const line = (points, alpha, thick, dash) => {
        context.globalAlpha = alpha;
        context.lineWidth = thick;
        context.setLineDash(dash);
        context.beginPath();
        let open = false;
        points.forEach((value, index) => {
          if (log && value <= 0) { open = false; return; }
          open ? context.lineTo(x(steps[index]), y(value)) : context.moveTo(x(steps[index]), y(value));
          open = true;
        });
        context.stroke();
      };
      const smoothed = !valid && smoothing > 0 && values.length > 2;
      line(values, smoothed ? 0.28 : 1, valid ? 1.6 : 1.3, valid ? [5, 3] : []);
      if (smoothed) line(smooth(values, smoothing), 1, 1.8, []);
      context.globalAlpha = 1;
      if (values.length < 60 && (valid || values.length === 1)) for (let n = 0; n < values.length; n++) {
        if (log && values[n] <= 0) continue;
        context.beginPath();
        context.arc(x(steps[n]), y(values[n]), 2.4, 0, 7);
        context.fill();
      }
    }
    context.restore();
    this.point(this.step ?? null);
  }

  grid(context, width, height, x, y, levels) {
    context.font = "11px system-ui, sans-serif";
    context.fillStyle = colour("--soft");
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.textAlign = "right";
    context.textBaseline = "middle";
    for (const level of levels) {
      const at = Math.round(y(level)) + 0.5;
      context.beginPath();
      context.moveTo(LEFT, at);
      context.lineTo(width - RIGHT, at);
      context.stroke();
      context.fillText(short(level), LEFT - 6, at);
    }
    context.textAlign = "center";
    context.textBaseline = "alphabetic";
    const steps = ticks(this.low, this.high || 1, Math.max(2, Math.floor(this.width() / 60))).filter(Number.isInteger);
    for (const step of steps) {
      // The last one would reach over the edge.
      const half = context.measureText(short(step)).width / 2;
      context.fillText(short(step), Math.min(x(step), width - half), height - 5);
    }
  }

  // Shows the values at `step`, or the last ones for null.
  point(step) {
    this.step = step;
    this.cross.hidden = step === null || !this.x || step < this.low || step > this.high;
    if (!this.cross.hidden) this.cross.style.left = `${this.x(step)}px`;
    const splits = [...new Set(this.series.map((one) => one.split))].sort();
    const table = add(null, "table");
    const head = add(add(table, "thead"), "tr");
    add(head, "th", step === null ? "last" : `at step ${number(step)}`);
    for (const split of splits) add(head, "th", split, "value");
    const body = add(table, "tbody");
    const said = [];
    for (const run of new Set(this.series.map((one) => one.run))) {
      const row = add(body, "tr");
      const name = add(row, "td", null, "run");
      const of = (split) => this.series.find((one) => one.run === run && one.split === split);
      add(name, "span", null, "swatch").style.color = this.series.find((one) => one.run === run).colour;
      name.append(run);
      name.title = run;
      for (const split of splits) {
        const one = of(split);
        const index = !one ? -1 : step === null ? one.values.length - 1 : nearest(one.steps, step);
        const cell = add(row, "td", number(one?.values[index]), "value");
        if (!one) continue;
        cell.title = `step ${number(one.steps[index])}`;
        said.push(`${run} ${split} ${number(one.values[index])}`);
      }
    }
    this.values.replaceChildren(table);
    this.plot.setAttribute("aria-label", `${this.metric}, ${step === null ? "last values" : `step ${step}`}: ${said.join("; ")}`);
  }
}

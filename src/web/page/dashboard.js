// The page: which runs are chosen, what is known of them, and how it is shown. Everything that comes from files is put
// into the page as text, never as markup.
import { Chart, add, age, colour, number, size } from "./chart.js";

const $ = (id) => document.getElementById(id);
const query = (names, more = {}) =>
  new URLSearchParams([...names.map((name) => ["run", name]), ...Object.entries(more)]).toString();

// What known metrics mean, in the order that they are shown; others follow by name.
const METRICS = {
  mlm_loss: "generator, masked positions, nats", disc_loss: "discriminator, all tokens, nats",
  disc_gain: "entropy less loss, nats", disc_auc: "replaced against original; 0.5 is chance", mlm_accuracy: "likeliest word is the original",
  disc_accuracy: "tokens judged rightly", disc_precision: "of those called replaced", disc_recall: "of those replaced",
  disc_entropy: "loss of the base rate, nats", replaced: "share of tokens", loss: "", learning_rate: "last step",
  grad_norm: "before clipping", tokens_per_second: "real tokens",
};
const RARE = ["skipped_steps", "loss_spikes", "tokens_seen", "disc_gain_error", "disc_gain_floor"];

let listing = { folder: "", runs: [] };
let chosen = []; // names, in the order of their colours
const runs = new Map(); // name -> { curves, position, whole, lines, stamp, details, added, colour }
const charts = new Map();
const changes = []; // of states, as they were seen; entries of the log
let hovered = null, events = null, digest = "0", load = null;
let sampleAt = null; // index of the sample that is shown, null for the newest
const options = { smoothing: 0.6, log: false };

// --- Getting data ---

async function get(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

async function fetchCurves(name) {
  const { position, whole, lines, curves } = await get(`api/curves?${query([name])}`);
  if (runs.has(name)) Object.assign(runs.get(name), { position, whole, lines, curves, added: 0 });
}

async function fetchDetails(name) {
  const details = await get(`api/details?${query([name])}`);
  if (runs.has(name)) Object.assign(runs.get(name), { details, stamp: details.stamp });
}

async function choose(names) {
  chosen = names;
  for (const name of [...runs.keys()]) if (!names.includes(name)) runs.delete(name);
  const fresh = names.filter((name) => !runs.has(name));
  for (const name of fresh) {
    const taken = [...runs.values()].map((run) => run.index);
    const free = [...Array(8).keys()].find((index) => !taken.includes(index)) ?? runs.size % 8;
    runs.set(name, { curves: {}, position: "0-0-1", stamp: "0", whole: true, lines: 0, added: 0, index: free });
  }
  history.replaceState(null, "", names.length ? `#${query(names)}` : location.pathname);
  showRuns();
  // A run may vanish between any two requests.
  await Promise.allSettled(fresh.flatMap((name) => [fetchCurves(name), fetchDetails(name)]));
  show();
  listen();
}

function listen() {
  events?.close();
  const since = [digest, ...chosen.map((name) => `${runs.get(name).position}.${runs.get(name).stamp}`)].join(",");
  events = new EventSource(`api/events?${query(chosen, { since })}`);
  let opened = false;
  events.onopen = () => { opened = true; live("live"); };
  events.onmessage = (event) => news(events, JSON.parse(event.data));
  // An answer ends with its news, and the browser comes back for more; one that never began is a loss.
  events.onerror = ({ target }) => {
    if (!opened) live("lost");
    opened = false;
    if (target.readyState === EventSource.CLOSED) setTimeout(() => target === events && listen(), 3000);
  };
}

// What `object` itself has under `key`, made if it has nothing: names come from files, and "__proto__" is one of them.
function own(object, key, make) {
  if (!Object.hasOwn(object, key)) Object.defineProperty(object, key, { value: make(), enumerable: true, writable: true });
  return Object.getOwnPropertyDescriptor(object, key).value;
}

function live(state) {
  $("live").dataset.state = state;
  $("live").textContent = state === "live" ? "live" : "connection lost, trying again";
}

async function news(source, { listing: table, runs: changed }) {
  if (table) takeListing(table);
  const again = [];
  for (const [name, change] of Object.entries(changed)) {
    const run = runs.get(name);
    if (!run) continue;
    for (const { step, split, values } of change.records ?? []) {
      run.lines++;
      run.added++;
      for (const [metric, value] of Object.entries(values)) {
        const curve = own(own(run.curves, split, () => ({})), metric, () => ({ steps: [], values: [] }));
        curve.steps.push(step);
        curve.values.push(value);
      }
    }
    // The server thins curves out, which ones that grow here are not.
    if (change.reload || run.added > 2000) again.push(name);
    if (change.details) fetchDetails(name).then(() => { showSummary(); showPanels(); }, () => {});
  }
  show();
  if (again.length) {
    // Positions change, so the events begin again with them.
    source.close();
    await Promise.allSettled(again.map(fetchCurves));
    if (source === events) listen();
    show();
  }
}

function takeListing(table) {
  const states = new Map(listing.runs.map((run) => [run.name, run.state]));
  listing = table;
  for (const { name, state } of table.runs) {
    const before = states.get(name);
    if (before && before !== state) changes.push({ name, time: Date.now() / 1000, step: null, bad: state === "failed", text: `${before} → ${state}` });
  }
  showRuns();
}

async function measure() {
  if (document.hidden) return;
  try {
    load = await get(`api/load?${query(chosen)}`);
    live("live");
  } catch {
    load = null;
    live("lost");
  }
  showSystem();
}

// --- Showing it ---

const rowOf = (name) => listing.runs.find((run) => run.name === name);
const colourOf = (name) => `--run-${runs.get(name)?.index ?? 7}`;
const empty = (to, text) => add(to, "p", text, "empty");
const main = (validation) => Object.entries(validation ?? {})
  .filter(([key, value]) => typeof value === "number" && !["step", "count"].includes(key))
  .sort(([a], [b]) => order(a) - order(b)).slice(0, 3);
const order = (metric) => { const at = Object.keys(METRICS).indexOf(metric); return at < 0 ? 99 : at; };

function swatch(to, name) {
  add(to, "span", null, "swatch").style.color = `var(${colourOf(name)})`;
}

function bar(to, value, most, label) {
  const progress = add(to, "progress");
  Object.assign(progress, { max: most || 1, value: Math.min(value, most || 1) });
  progress.setAttribute("aria-label", label);
}

const steps = (run) => run.steps ? `${number(run.step)} / ${number(run.steps)}`
  : `step ${number(run.step)}${run.time_budget ? ` in ${run.time_budget}` : ""}`;

function showRuns() {
  const focused = document.activeElement?.value;
  const wanted = $("filter").value.toLowerCase();
  const items = listing.runs.filter((run) => run.name.toLowerCase().includes(wanted)).map((run) => {
    const item = add(null, "li");
    const label = add(item, "label");
    const box = add(label, "input");
    Object.assign(box, { type: "checkbox", value: run.name, checked: chosen.includes(run.name) });
    box.onchange = () => choose(box.checked ? [...chosen, run.name] : chosen.filter((name) => name !== run.name));
    const name = add(label, "span", run.name, "name");
    if (box.checked) name.style.color = `var(${colourOf(run.name)})`;
    add(label, "span", run.state, "badge", run.state);
    if (run.steps) bar(label, run.step, run.steps, `progress of ${run.name}`);
    const figures = main(run.validation).map(([key, value]) => `${key} ${number(value)}`).join(" · ");
    add(label, "span", [steps(run), figures].filter(Boolean).join(" · "), "more");
    return item;
  });
  $("runs").replaceChildren(...items);
  if (focused) [...$("runs").querySelectorAll("input")].find((box) => box.value === focused)?.focus();
  $("count").textContent = `(${listing.runs.length})`;
  $("folder").textContent = $("folder").title = listing.folder;
  if (!listing.runs.length) empty($("runs"), "No run here yet; one that begins will appear.");
  showSummary();
}

function showSummary() {
  $("summary").replaceChildren(...chosen.map((name) => {
    const run = rowOf(name);
    const card = add(null, "article", null, "card");
    const title = add(card, "h2");
    swatch(title, name);
    add(title, "span", name);
    add(title, "span", run?.state ?? "gone", "badge", run?.state ?? "failed");
    if (!run) return card;
    const verdict = runs.get(name)?.details?.verdict;
    if (verdict) add(title, "span", verdict.words, "badge", verdict.trouble ? "failed" : "finished").title = verdict.sentence;
    if (run.steps) bar(card, run.step, run.steps, `progress of ${name}`);
    const list = add(card, "dl");
    const pair = (term, text) => { const group = add(list, "div"); add(group, "dt", term); add(group, "dd", text); };
    pair("steps", steps(run));
    for (const [key, value] of main(run.validation)) pair(`valid ${key}`, number(value));
    pair("last record", age(run.changed));
    if (run.reason) add(card, "p", run.reason, "reason", run.state);
    if (!runs.get(name).whole) add(card, "p", `An overview of ${number(runs.get(name).lines)} records; all of them are being read.`, "soft");
    return card;
  }));
  if (!chosen.length) empty($("summary"), "Choose runs on the left to see and compare their curves.");
}

function show() {
  showSummary();
  showCharts();
  showPanels();
}

function showCharts() {
  const colours = new Map(chosen.map((name) => [name, colour(colourOf(name))]));
  const metrics = new Map();
  let low = Infinity, high = -Infinity;
  for (const name of chosen) for (const [split, curves] of Object.entries(runs.get(name).curves))
    for (const [metric, { steps, values }] of Object.entries(curves)) {
      if (RARE.includes(metric) || !steps.length) continue;
      if (!metrics.has(metric)) metrics.set(metric, []);
      metrics.get(metric).push({ run: name, colour: colours.get(name), split, steps, values });
      low = Math.min(low, steps[0]);
      high = Math.max(high, steps.at(-1));
    }
  const names = [...metrics.keys()].sort((a, b) => order(a) - order(b) || a.localeCompare(b));
  for (const metric of names) if (!charts.has(metric)) charts.set(metric, new Chart(metric, METRICS[metric], hover));
  // Only what changed is moved, so that focus and pointer stay.
  const wanted = names.map((metric) => charts.get(metric).figure);
  if ([...$("curves").children].some((child, at) => child !== wanted[at]) || wanted.length !== $("curves").children.length)
    $("curves").replaceChildren(...wanted);
  for (const metric of names) charts.get(metric).draw(metrics.get(metric), low, high, options);
  if (chosen.length && !names.length) empty($("curves"), "No records yet.");
}

function hover(step) {
  if (step === hovered) return;
  hovered = step;
  for (const chart of charts.values()) if (chart.figure.isConnected) chart.point(step);
}

function panel(id, fill) {
  const body = document.createElement("div");
  fill(body);
  const old = $(id).querySelector(":scope > div");
  const scrolled = old.querySelector(".scroll")?.scrollTop ?? 0;
  const opened = old.querySelector("details")?.open;
  old.replaceWith(body);
  if (opened) body.querySelector("details")?.setAttribute("open", "");
  if (scrolled) body.querySelector(".scroll")?.scrollTo(0, scrolled);
}

function table(to, heads) {
  const box = add(to, "div", null, "scroll");
  box.tabIndex = 0;
  const element = add(box, "table");
  const row = add(add(element, "thead"), "tr");
  for (const head of heads) add(row, "th", head).scope = "col";
  return add(element, "tbody");
}

function showPanels() {
  showSummary();
  const known = chosen.filter((name) => runs.get(name)?.details);
  panel("samples", (body) => showSamples(body, known));
  panel("differences", (body) => showConfiguration(body, known));
  panel("checkpoints", (body) => {
    const all = known.flatMap((name) => runs.get(name).details.checkpoints.map((one) => ({ name, ...one })));
    if (!all.length) return empty(body, "No checkpoint.");
    const rows = table(body, known.length > 1 ? ["run", "step", "size", "age"] : ["step", "size", "age"]);
    for (const { name, step, bytes, time } of all) {
      const row = add(rows, "tr");
      if (known.length > 1) { const cell = add(row, "td"); swatch(cell, name); cell.append(" ", name); }
      for (const text of [number(step), size(bytes), age(time)]) add(row, "td", text);
    }
  });
  panel("happened", (body) => showLog(body, known));
  showSystem();
}

function showSystem() {
  panel("system", (body) => {
    if (!load || (load.cpu === null && load.memory === null)) return empty(body, "This system does not tell.");
    const meter = (label, text, share) => {
      const line = add(body, "div", null, "meter");
      add(line, "span", label);
      add(line, "span", text, "mono");
      bar(line, share ?? 0, 1, label);
    };
    const percent = (share) => share === null ? "–" : `${(100 * share).toFixed(0)} %`;
    meter(`CPU of this machine (${load.cores} threads)`, percent(load.cpu), load.cpu);
    meter("memory of this machine", `${size(load.memory)} of ${size(load.memory_total)}`, load.memory / load.memory_total);
    for (const [name, { process, cpu, memory }] of Object.entries(load.runs))
      meter(`${name}, process ${process}`, `CPU ${percent(cpu)}, ${size(memory)}`, cpu);
  });
}

function showConfiguration(body, known) {
  const of = (name, key) => runs.get(name).details.config[key];
  const keys = [...new Set(known.flatMap((name) => Object.keys(runs.get(name).details.config)))];
  const fill = (to, keys) => {
    const rows = table(to, ["key", ...known]);
    for (const key of keys) {
      const row = add(rows, "tr");
      add(row, "td", key, "mono");
      for (const name of known) add(row, "td", of(name, key) ?? "–", "mono");
    }
  };
  if (known.length > 1) {
    const differing = keys.filter((key) => known.some((name) => of(name, key) !== of(known[0], key)));
    differing.length ? fill(body, differing) : empty(body, "The chosen runs do not differ.");
  }
  if (!keys.length) return empty(body, "No configuration.");
  const all = add(body, "details");
  add(all, "summary", `All ${keys.length} keys`);
  fill(all, keys);
}

// What happened to a token: what it is, what the discriminator said, and a name for both.
function verdict({ original, probability }) {
  const said = probability > 0.5;
  if (original !== undefined) return said ? ["found", "replaced, and found"] : ["missed", "replaced, and missed"];
  return said ? ["accused", "original, but called replaced"] : ["fine", "original"];
}

function showSamples(body, known) {
  const withSamples = known.filter((name) => runs.get(name).details.samples.length);
  if (!withSamples.length) return empty(body, "No samples: a run writes samples.jsonl with each validation, if it writes any.");
  const count = Math.max(...withSamples.map((name) => runs.get(name).details.samples.length));
  const key = add(body, "div", null, "key");
  if (count > 1) {
    const label = add(key, "label", "Validation ");
    const range = add(label, "input");
    Object.assign(range, { type: "range", min: 0, max: count - 1, value: count - 1 - Math.min(sampleAt ?? 0, count - 1) });
    range.onchange = () => { sampleAt = count - 1 - range.value || null; showPanels(); };
  }
  for (const [name, text] of [["found", "replaced, found"], ["missed", "replaced, missed"], ["accused", "original, called replaced"]])
    add(key, "span", text, "token", name);
  for (const name of withSamples) {
    const { samples } = runs.get(name).details;
    const { step, tokens } = samples[Math.min(sampleAt ?? 0, samples.length - 1)];
    const head = add(body, "div", null, "soft");
    swatch(head, name);
    head.append(` ${name}, step ${number(step)}`);
    const text = add(body, "p", null, "tokens");
    for (const token of tokens) {
      const [kind, words] = verdict(token);
      const joined = token.token.startsWith("##");
      if (!joined) text.append(" ");
      const element = add(text, "span", joined ? token.token.slice(2) : token.token, "token", kind);
      element.title = `${words}; ${token.probability === null ? "no verdict" : `replaced with probability ${number(token.probability)}`}`;
      if (token.original !== undefined) add(element, "s", token.original);
    }
  }
}

function showLog(body, known) {
  const entries = known.flatMap((name) => runs.get(name).details.log.map((entry) => ({ name, ...entry })));
  entries.push(...changes.filter(({ name }) => known.includes(name)));
  if (!entries.length) return empty(body, "Nothing yet.");
  const rows = table(body, ["when", "run", "step", "what"]);
  for (const { name, time, step, bad, text } of entries.reverse()) {
    const row = add(rows, "tr");
    add(row, "td", time ? new Date(time * 1000).toLocaleString() : "", "time");
    const run = add(row, "td");
    swatch(run, name);
    run.append(" ", name);
    add(row, "td", step === null ? "" : number(step));
    add(row, "td", text, ...(bad ? ["bad"] : []));
  }
}

// --- Beginning ---

function remember(key, value) { try { localStorage.setItem(key, value); } catch { /* without storage, for this visit */ } }
function remembered(key) { try { return localStorage.getItem(key); } catch { return null; } }

function setTheme(theme) {
  document.documentElement.dataset.theme = $("theme").value = ["dark", "light"].includes(theme) ? theme : "";
}

$("theme").onchange = () => { setTheme($("theme").value); remember("theme", $("theme").value); showCharts(); };
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showCharts);
$("smoothing").oninput = () => {
  options.smoothing = +$("smoothing").value;
  $("smoothed").textContent = options.smoothing.toFixed(2);
  showCharts();
};
$("log").onchange = () => { options.log = $("log").checked; showCharts(); };
$("filter").oninput = showRuns;
$("controls").onsubmit = (event) => event.preventDefault();
new ResizeObserver(() => showCharts()).observe($("curves"));
setTheme(remembered("theme"));

try {
  ({ digest, ...listing } = await get("api/runs"));
} catch {
  // The events bring the table as soon as there is one.
}
const asked = new URLSearchParams(location.hash.slice(1)).getAll("run").filter(rowOf);
const newest = [...listing.runs].sort((a, b) => (b.state === "running") - (a.state === "running") || (b.changed ?? 0) - (a.changed ?? 0));
await choose(asked.length ? asked : newest.slice(0, 1).map((run) => run.name));
measure();
setInterval(measure, 3000);
setInterval(showSummary, 10000);

/* The race in the page: what the reader chooses, and what is drawn of it. The numbers come from engine.js and data.js. */
(function () {
  "use strict";
  const { L2LRace: engine, L2LRaceData: data } = globalThis;
  const host = document.getElementById("race");
  if (!host || !engine || !data) return;

  const NAMES = { lstm: "LSTM", quadratic: "LSTM of the quadratics", adam: "Adam", rmsprop: "RMSprop", momentum: "Momentum", sgd: "SGD" };
  const RIVALS = ["adam", "rmsprop", "momentum", "sgd"];
  const STEPS = [20, 50, 100, 200, 500];
  const colour = (name) => data.colours[name] || data.colours.lstm;
  const still = matchMedia("(prefers-reduced-motion: reduce)");
  const short = (x) => (!(Math.abs(x) < 1e9) ? "diverged" : x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e4) ? x.toExponential(1) : String(+x.toPrecision(2)));
  const length = (v) => Math.hypot(...v);

  /* ---- the controls ---- */

  host.innerHTML = `
    <div class="race-bar">
      <label>Surface <select data-race="course"></select></label>
      <label data-race="conditioning">Conditioning <input type="range" min="0" max="3" step="any" data-race="condition"><output></output></label>
      <button type="button" data-race="fresh">Another one</button>
    </div>
    <div class="race-stage">
      <canvas class="race-map" tabindex="0" role="application" data-race="map"></canvas>
      <div class="race-side">
        <canvas class="race-losses" role="img" data-race="losses"></canvas>
        <canvas class="race-arrows" role="img" data-race="arrows"></canvas>
      </div>
    </div>
    <p class="race-hint">Click, tap or drag on the map to choose the start; or focus it and use the arrow keys.</p>
    <div class="race-bar">
      <button type="button" class="race-run" data-race="run">Run</button>
      <button type="button" data-race="step">One step</button>
      <label class="race-time">Step <input type="range" min="0" step="1" data-race="time"><output></output></label>
      <label>of <select data-race="steps"></select></label>
    </div>
    <p class="race-status" role="status" aria-live="polite"></p>
    <div class="race-bar"><label>Rates tuned on <select data-race="tuned">
      <option value="random">random surfaces, like the LSTM</option><option value="own">this very surface</option>
    </select></label></div>
    <div class="race-field" role="group" aria-label="Who races, with which learning rate"></div>
    <p class="race-note"></p>`;
  const part = (name) => host.querySelector(`[data-race="${name}"]`);
  const [map, losses, arrows] = ["map", "losses", "arrows"].map(part);
  const [status, note] = [host.querySelector(".race-status"), host.querySelector(".race-note")];

  for (const [key, course] of Object.entries(data.courses)) part("course").add(new Option(course.title, key));
  for (const steps of STEPS) part("steps").add(new Option(`${steps} steps`, steps, steps === 100, steps === 100));

  const field = host.querySelector(".race-field");
  field.innerHTML = '<div class="race-entry race-heads" aria-hidden="true"><span></span><span>learning rate</span><span></span><span>loss</span></div>';
  for (const name of ["lstm", "quadratic", ...RIVALS]) {
    const rate = RIVALS.includes(name)
      ? `<input type="range" min="-4.5" max="1" step="any" aria-label="Learning rate of ${NAMES[name]}"><output></output>`
      : `<span class="race-learned">${name === "lstm" ? "trained on random surfaces; no rate" : "trained on 10-dimensional quadratics; no rate"}</span>`;
    field.insertAdjacentHTML("beforeend", `<div class="race-entry" data-name="${name}">
      <label><input type="checkbox" ${name === "quadratic" ? "" : "checked"}><svg width="22" height="14" aria-hidden="true">${swatch(name)}</svg>${NAMES[name]}</label>
      ${rate}<span class="race-loss"></span></div>`);
  }
  const entry = (name) => field.querySelector(`[data-name="${name}"]`);
  const racing = () => ["lstm", "quadratic", ...RIVALS].filter((name) => entry(name).querySelector("[type=checkbox]").checked);

  function swatch(name) {
    const dash = name === "quadratic" ? ' stroke-dasharray="4 3"' : "";
    return `<path d="M0 7H22" stroke="${colour(name)}" stroke-width="2.5"${dash}/><path d="${outline(name, 11, 7, 4.5)}" fill="${colour(name)}"/>`;
  }

  // a shape of its own for each racer, so that colour is not all that tells them apart
  function outline(name, x, y, r) {
    const corners = { adam: 4, rmsprop: 3, momentum: 5, sgd: 4 }[name];
    if (!corners) return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    const turn = name === "adam" ? Math.PI / 4 : -Math.PI / 2;
    const points = Array.from({ length: corners }, (_, k) => turn + (2 * Math.PI * k) / corners);
    return `M${points.map((a) => `${x + 1.2 * r * Math.cos(a)} ${y + 1.2 * r * Math.sin(a)}`).join("L")}Z`;
  }

  /* ---- the state: everything else follows from it ---- */

  const state = { time: 0, runs: {}, seed: 1, playing: null };

  function choose(key) {
    state.key = key;
    state.course = data.courses[key];
    if (key === "random") {
      const drawn = engine.draw(engine.uniform(state.seed));
      const { centre } = drawn.surface, half = 1.3 * length([0, 1].map((i) => drawn.start[i] - centre[i]));
      const window = centre.map((middle) => [middle - half, middle + half]);
      Object.assign(state, { start: drawn.start, described: drawn.surface, minimum: centre, window });
    } else {
      const { start, surface: described, minimum, window } = state.course;
      Object.assign(state, { start, described, minimum, window });
    }
    part("fresh").hidden = key !== "random";
    part("conditioning").hidden = state.described.kind !== "family" || key === "random";
    part("condition").value = Math.log10(state.described.condition || 1);
    part("tuned").disabled = key === "random";
    tune();
    renew();
  }

  function tune() {
    const { rates } = part("tuned").value === "own" ? state.course : data.courses.random;
    for (const name of RIVALS) entry(name).querySelector("[type=range]").value = Math.log10(rates[name]);
  }

  function renew() {
    const condition = conditioning(), own = part("conditioning").hidden ? {} : { condition };
    state.surface = engine.surface({ ...state.described, ...own });
    part("condition").nextElementSibling.value = Math.round(condition);
    chart = null;
    race();
  }

  function race() {
    stop();
    const steps = +part("steps").value, { start, surface } = state, { noise } = state.course;
    state.runs = {};
    for (const name of racing()) {
      const rule = data.rules[name] ? trained(name) : engine[name](rate(name));
      state.runs[name] = engine.run(rule, surface, start, steps, noise, state.seed);
    }
    for (const name of RIVALS) entry(name).querySelector("output").value = short(rate(name));
    part("time").max = steps;
    show(steps);
    say();
    note.textContent = verdict();
    host.dataset.ends = JSON.stringify(Object.fromEntries(Object.entries(state.runs).map(([name, run]) => [name, run.losses[steps]])));
  }

  const conditioning = () => +(10 ** part("condition").value).toPrecision(3);
  const rate = (name) => +(10 ** entry(name).querySelector("[type=range]").value).toPrecision(3);
  const kept = {};
  const trained = (name) => (kept[name] ||= engine.lstm(data.rules[name]));

  /* ---- what is said ---- */

  const order = () => Object.entries(state.runs).map(([name, run]) => [name, run.losses[state.time]])
    .sort(([, a], [, b]) => (Number.isFinite(a) ? a : Infinity) - (Number.isFinite(b) ? b : Infinity));

  function say() {
    const ranks = order();
    if (!ranks.length) return void (status.textContent = "Nobody races: tick somebody below.");
    const [[first, loss], ...rest] = ranks;
    const others = rest.map(([name, value]) => `${NAMES[name]} ${short(value)}`).join(", ");
    status.textContent = `Step ${state.time}: ${NAMES[first]} leads with a loss of ${short(loss)}${others ? `; ${others}` : ""}.`;
  }

  function verdict() {
    const { course, runs } = state, said = [];
    if (course.unlike) said.push(`Held out: ${course.unlike}`);
    else said.push("Meta-training drew surfaces of this kind, at random.");
    if (!part("conditioning").hidden && conditioning() > 100) said.push("None was as badly conditioned as this: 100 was the most.");
    const { starts, losses: known, diverged } = course.tested, all = state.key === "random";
    const list = ["lstm", ...RIVALS].map((name) => `${NAMES[name]} ${diverged[name] ? `diverged from ${diverged[name]}` : short(known[name])}`).join(", ");
    const where = all ? `on ${starts} such surfaces` : `from ${starts} starts here, the rivals' rates tuned on this very surface`;
    said.push(`Median loss after 100 steps ${where}: ${list}.`);
    if (all || part("tuned").value === "random") said.push("A rate tuned on random surfaces has to do for the steepest of them, too.");
    for (const name of ["lstm", "quadratic"]) if (runs[name]) said.push(failure(name));
    if (runs.lstm && runs.lstm.losses.length > 101) said.push("The LSTM was trained for 100 steps; what it does after them nobody asked of it.");
    return said.filter(Boolean).join(" ");
  }

  // why a learned rule is behind here, from what it did in its last ten steps
  function failure(name) {
    const run = state.runs[name], end = run.losses.length - 1, loss = run.losses[end];
    const best = Math.min(...RIVALS.filter((rival) => state.runs[rival]).map((rival) => state.runs[rival].losses[end]).filter(Number.isFinite));
    if (!(loss > 10 * best)) return "";
    const from = Math.max(0, end - 10), walked = run.steps.slice(from, end).reduce((sum, step) => sum + length(step), 0);
    const came = length([0, 1].map((i) => run.path[end][i] - run.path[from][i]));
    const left = length([0, 1].map((i) => run.path[end][i] - state.minimum[i]));
    const blind = name === "quadratic" ? " It sees raw gradients, and knows those of the functions it was trained on." : "";
    const behind = `Here the ${NAMES[name]} ends far behind the best. Its last ${end - from} steps have a length of ${short(walked)} in all, brought it ${short(came)} further, and ${short(left)} are left to the minimum:`;
    return behind + (came < 0.5 * walked ? " it circles, with steps too long for what is left." : " it creeps.") + blind;
  }

  /* ---- time ---- */

  function show(time) {
    state.time = time;
    part("time").value = time;
    part("time").nextElementSibling.value = time;
    for (const name of Object.keys(NAMES)) {
      const run = state.runs[name];
      entry(name).querySelector(".race-loss").textContent = run ? short(run.losses[time]) : "";
    }
    draw();
  }

  function stop() {
    cancelAnimationFrame(state.playing);
    state.playing = null;
    part("run").textContent = "Run";
  }

  function play() {
    const steps = +part("time").max;
    if (still.matches) {
      show(steps);
      return say();
    }
    const first = state.time >= steps ? 0 : state.time, quarter = (t) => Math.floor((4 * t) / steps);
    let began = null;
    part("run").textContent = "Pause";
    const frame = (now) => {
      began ??= now;
      const t = Math.min(steps, first + Math.floor(((now - began) / 5000) * steps)), before = state.time;
      if (t !== before) show(t);
      if (t > before && quarter(t) > quarter(before)) say();
      if (t < steps) state.playing = requestAnimationFrame(frame);
      else stop();
    };
    state.playing = requestAnimationFrame(frame);
  }

  /* ---- drawing ---- */

  const theme = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const dark = () => document.documentElement.dataset.theme === "dark";

  // a context whose unit is a CSS pixel, cleared
  function fit(canvas) {
    const sharp = window.devicePixelRatio || 1, width = canvas.clientWidth, height = canvas.clientHeight;
    canvas.width = Math.round(width * sharp);
    canvas.height = Math.round(height * sharp);
    const pen = canvas.getContext("2d");
    pen.scale(sharp, sharp);
    pen.font = `12px ${getComputedStyle(host).fontFamily}`;
    return { pen, width, height };
  }

  // the map's background, painted once for a surface, a size and a theme
  let chart = null;
  function contours(width, height) {
    const key = [width, height, dark()].join();
    if (chart && chart.key === key) return chart.canvas;
    const canvas = Object.assign(document.createElement("canvas"), { width, height }), pen = canvas.getContext("2d");
    const image = pen.createImageData(width, height), [[x0, x1], [y0, y1]] = state.window;
    const level = new Float64Array(width * height);
    let low = Infinity, high = -Infinity;
    for (let j = 0; j < height; j++) for (let i = 0; i < width; i++) {
      const h = state.surface.height(x0 + ((i + 0.5) / width) * (x1 - x0), y1 - ((j + 0.5) / height) * (y1 - y0));
      const value = (level[j * width + i] = 3 * Math.log10(h + 1e-12));
      if (value < low) low = value;
      if (value > high) high = value;
    }
    low = Math.max(low, high - 21);
    const [r, g, b] = dark() ? [140, 196, 224] : [31, 86, 115];
    for (let k = 0; k < level.length; k++) {
      const band = Math.floor(Math.max(low, level[k]));
      const edge = (k % width && band !== Math.floor(Math.max(low, level[k - 1]))) || (k >= width && band !== Math.floor(Math.max(low, level[k - width])));
      image.data.set([r, g, b, 255 * (0.03 + 0.27 * ((high - band) / (high - low + 1)) + (edge ? 0.22 : 0))], 4 * k);
    }
    pen.putImageData(image, 0, 0);
    chart = { key, canvas };
    return canvas;
  }

  function draw() {
    drawMap();
    drawLosses();
    drawArrows();
  }

  function drawMap() {
    const { pen, width, height } = fit(map), [[x0, x1], [y0, y1]] = state.window;
    const at = ([x, y]) => [(width * (x - x0)) / (x1 - x0), (height * (y1 - y)) / (y1 - y0)];
    pen.drawImage(contours(map.width, map.height), 0, 0, width, height);
    cross(pen, at(state.minimum), theme("--pst-color-text-base"));
    for (const name of Object.keys(state.runs).reverse()) {
      const points = state.runs[name].path.slice(0, state.time + 1).filter((p) => length(p) < 1e3).map(at);
      trace(pen, points, name, 2);
      pen.fillStyle = colour(name);
      for (const [x, y] of points) pen.fillRect(x - 1.5, y - 1.5, 3, 3);
      head(pen, points[points.length - 1], name);
    }
    const [x, y] = at(state.start);
    pen.strokeStyle = theme("--pst-color-text-base");
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(x, y, 7, 0, 2 * Math.PI);
    pen.stroke();
    map.setAttribute("aria-label", `Map of the surface. The start is at ${state.start.map(short).join(", ")}; arrow keys move it. The minimum is at ${state.minimum.map(short).join(", ")}.`);
  }

  function trace(pen, points, name, width) {
    pen.setLineDash(name === "quadratic" ? [5, 4] : []);
    pen.strokeStyle = colour(name);
    pen.lineWidth = width;
    pen.lineJoin = "round";
    pen.beginPath();
    points.forEach(([x, y]) => pen.lineTo(x, y));
    pen.stroke();
    pen.setLineDash([]);
  }

  function head(pen, [x, y], name) {
    const shape = new Path2D(outline(name, x, y, 5));
    pen.fillStyle = colour(name);
    pen.fill(shape);
    pen.strokeStyle = theme("--pst-color-background");
    pen.lineWidth = 1.2;
    pen.stroke(shape);
  }

  function cross(pen, [x, y], ink) {
    pen.strokeStyle = ink;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.moveTo(x - 6, y);
    pen.lineTo(x + 6, y);
    pen.moveTo(x, y - 6);
    pen.lineTo(x, y + 6);
    pen.stroke();
  }

  function drawLosses() {
    const { pen, width, height } = fit(losses), ink = theme("--pst-color-text-muted"), steps = +part("time").max;
    const [left, right, top, bottom] = [44, 8, 22, 24];
    // who leaves upwards leaves the picture
    const most = 30 * state.surface.height(...state.start) || 1;
    const seen = Object.values(state.runs).flatMap((run) => run.losses).filter((loss) => loss > 0).map((loss) => Math.min(loss, most));
    const low = Math.max(-12, Math.floor(Math.log10(Math.min(...seen, 1)))), high = Math.max(low + 1, Math.ceil(Math.log10(Math.max(...seen, 1e-12))));
    const x = (t) => left + ((width - left - right) * t) / steps;
    const y = (loss) => top + ((height - top - bottom) * (high - Math.min(high, Math.max(low, Math.log10(Number.isFinite(loss) ? loss || 1e-300 : most))))) / (high - low);
    pen.fillStyle = ink;
    pen.strokeStyle = ink;
    pen.textAlign = "left";
    pen.fillText("loss", 4, 13);
    pen.textAlign = "right";
    const every = Math.ceil((high - low) / 6);
    for (let power = low; power <= high; power++) {
      if ((high - power) % every) continue;
      pen.globalAlpha = 0.25;
      rule(pen, left, y(10 ** power), width - right, y(10 ** power));
      pen.globalAlpha = 1;
      pen.fillText(power < -3 || power > 3 ? `1e${power}` : String(+(10 ** power).toPrecision(1)), left - 5, y(10 ** power) + 4);
    }
    pen.textAlign = "center";
    for (let t = 0; t <= steps; t += steps / 4) pen.fillText(String(t), Math.min(x(t), width - 14), height - 7);
    pen.globalAlpha = 0.5;
    rule(pen, x(state.time), top, x(state.time), height - bottom);
    pen.globalAlpha = 1;
    for (const name of Object.keys(state.runs).reverse()) {
      const points = state.runs[name].losses.slice(0, state.time + 1).map((loss, t) => [x(t), y(loss)]);
      const gone = points.findIndex((_, t) => !(state.runs[name].losses[t] < most));
      const kept = gone > 0 ? points.slice(0, gone + 1) : points;
      trace(pen, kept, name, 2);
      head(pen, kept[kept.length - 1], name);
    }
    losses.setAttribute("aria-label", `Loss against step on a logarithmic axis. At step ${state.time}: ${order().map(([name, loss]) => `${NAMES[name]} ${short(loss)}`).join(", ")}.`);
  }

  function rule(pen, x0, y0, x1, y1) {
    pen.lineWidth = 1;
    pen.beginPath();
    pen.moveTo(x0, y0);
    pen.lineTo(x1, y1);
    pen.stroke();
  }

  // the LSTM's next step against the gradient it is shown; lengths on a logarithmic scale, 1e-4 … 1e3
  function drawArrows() {
    const { pen, width, height } = fit(arrows), ink = theme("--pst-color-text-base"), muted = theme("--pst-color-text-muted");
    const run = state.runs.lstm || state.runs.quadratic, name = state.runs.lstm ? "lstm" : "quadratic";
    pen.fillStyle = muted;
    if (!run) return arrows.setAttribute("aria-label", "No LSTM races."), pen.fillText("No LSTM races.", 4, 13);
    const gradient = run.gradients[state.time], step = run.steps[state.time], down = gradient.map((g) => -g);
    const radius = height / 2 - 6, centre = [radius + 8, height / 2];
    pen.strokeStyle = muted;
    pen.globalAlpha = 0.35;
    for (const share of [1, 4 / 7]) {
      pen.beginPath();
      pen.arc(...centre, radius * share, 0, 2 * Math.PI);
      pen.stroke();
    }
    pen.globalAlpha = 1;
    const reach = (v) => radius * Math.min(1, Math.max(0.04, (Math.log10(length(v) || 1e-300) + 4) / 7));
    arrow(pen, centre, down, reach(down), ink);
    arrow(pen, centre, step, reach(step), colour(name));
    const angle = (180 / Math.PI) * Math.acos(Math.max(-1, Math.min(1, (down[0] * step[0] + down[1] * step[1]) / (length(down) * length(step)))));
    const turned = Number.isFinite(angle) ? `${Math.round(angle)}° apart` : "";
    const x = 2 * radius + 24, lines = [[`gradient, downhill: ${short(length(down))}`, ink], [`${NAMES[name]}'s next step: ${short(length(step))}`, colour(name)], [turned, muted], ["lengths logarithmic:", muted], ["circles are 1 and 1000", muted]];
    lines.forEach(([text, shade], k) => {
      pen.fillStyle = shade;
      pen.fillText(text, x, height / 2 - 28 + 17 * k);
    });
    arrows.setAttribute("aria-label", `At step ${state.time} the gradient is ${short(length(down))} long, the ${NAMES[name]}'s next step ${short(length(step))}; it points ${turned || "nowhere"} from straight downhill.`);
  }

  function arrow(pen, [x, y], [dx, dy], size, ink) {
    const norm = Math.hypot(dx, dy) || 1, u = dx / norm, v = -dy / norm, tip = [x + size * u, y + size * v];
    pen.strokeStyle = pen.fillStyle = ink;
    pen.lineWidth = 2.5;
    pen.beginPath();
    pen.moveTo(x, y);
    pen.lineTo(...tip);
    pen.stroke();
    pen.beginPath();
    pen.moveTo(tip[0] + 3 * u, tip[1] + 3 * v);
    pen.lineTo(tip[0] - 7 * u - 5 * v, tip[1] - 7 * v + 5 * u);
    pen.lineTo(tip[0] - 7 * u + 5 * v, tip[1] - 7 * v - 5 * u);
    pen.fill();
  }

  /* ---- what the reader does ---- */

  function moveTo([x, y]) {
    const inside = (value, [low, high]) => Math.min(high, Math.max(low, value)), [across, up] = state.window;
    state.start = [inside(x, across), inside(y, up)];
    race();
  }

  function pointed(event) {
    const box = map.getBoundingClientRect(), [[x0, x1], [y0, y1]] = state.window;
    moveTo([x0 + ((event.clientX - box.left) / box.width) * (x1 - x0), y1 - ((event.clientY - box.top) / box.height) * (y1 - y0)]);
  }

  map.addEventListener("pointerdown", (event) => {
    if (event.pointerType === "mouse") map.setPointerCapture(event.pointerId); // a finger that drags scrolls the page
    pointed(event);
  });
  map.addEventListener("pointermove", (event) => event.buttons && event.pointerType === "mouse" && pointed(event));
  map.addEventListener("keydown", (event) => {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] }[event.key];
    if (!way) return;
    event.preventDefault();
    const size = (state.window[0][1] - state.window[0][0]) / (event.shiftKey ? 200 : 40);
    moveTo(state.start.map((value, i) => value + size * way[i]));
  });
  part("course").addEventListener("change", (event) => choose(event.target.value));
  part("tuned").addEventListener("change", () => {
    tune();
    race();
  });
  part("fresh").addEventListener("click", () => {
    state.seed += 1;
    choose("random");
  });
  part("condition").addEventListener("input", renew);
  part("steps").addEventListener("change", race);
  part("run").addEventListener("click", () => (state.playing ? (stop(), say()) : play()));
  part("step").addEventListener("click", () => {
    stop();
    show(state.time >= +part("time").max ? 0 : state.time + 1);
    say();
  });
  part("time").addEventListener("input", (event) => {
    stop();
    show(+event.target.value);
  });
  part("time").addEventListener("change", say);
  field.addEventListener("input", race);
  new ResizeObserver(draw).observe(host);
  new MutationObserver(draw).observe(document.documentElement, { attributeFilter: ["data-theme"] });

  part("course").value = data.first;
  choose(data.first);
})();

/* The race in the page: what the reader chooses, and what is said of it. engine.js runs it, painter.js draws it. */
(function () {
  "use strict";
  const { L2LRace: engine, L2LRaceData: data, L2LPainter: look } = globalThis;
  const host = document.getElementById("race");
  if (!host || !engine || !data || !look) return;

  const { Painter, NAMES, colour, length, order, outline, short } = look;
  const RIVALS = ["adam", "rmsprop", "momentum", "sgd"];
  const STEPS = [20, 50, 100, 200, 500];
  const still = matchMedia("(prefers-reduced-motion: reduce)");

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
  const painter = new Painter(host, map, losses, arrows);
  const draw = () => painter.draw(state);
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
    race();
  }

  function race() {
    stop();
    const steps = +part("steps").value, { start, surface } = state, { noise } = state.course;
    state.runs = {};
    state.steps = steps;
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

  function say() {
    const ranks = order(state);
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

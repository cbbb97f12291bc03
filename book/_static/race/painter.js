/* What the race looks like: the map with its paths, the losses, and the LSTM's next step against the gradient. */
(function () {
  "use strict";
  const { L2LRaceData: data } = globalThis;
  if (!data) return;

  const NAMES = { lstm: "LSTM", quadratic: "LSTM of the quadratics", adam: "Adam", rmsprop: "RMSprop", momentum: "Momentum", sgd: "SGD" };
  const colour = (name) => data.colours[name] || data.colours.lstm;
  const short = (x) => (!(Math.abs(x) < 1e9) ? "diverged" : x !== 0 && (Math.abs(x) < 1e-3 || Math.abs(x) >= 1e4) ? x.toExponential(1) : String(+x.toPrecision(2)));
  const length = (v) => Math.hypot(...v);
  const order = (state) => Object.entries(state.runs).map(([name, run]) => [name, run.losses[state.time]])
    .sort(([, a], [, b]) => (Number.isFinite(a) ? a : Infinity) - (Number.isFinite(b) ? b : Infinity));

  // a shape of its own for each racer, so that colour is not all that tells them apart
  function outline(name, x, y, r) {
    const corners = { adam: 4, rmsprop: 3, momentum: 5, sgd: 4 }[name];
    if (!corners) return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0Z`;
    const turn = name === "adam" ? Math.PI / 4 : -Math.PI / 2;
    const points = Array.from({ length: corners }, (_, k) => turn + (2 * Math.PI * k) / corners);
    return `M${points.map((a) => `${x + 1.2 * r * Math.cos(a)} ${y + 1.2 * r * Math.sin(a)}`).join("L")}Z`;
  }

  // draws on three canvases in `host`; a state has the surface, its window, start and minimum, the runs, steps and time
  function Painter(host, map, losses, arrows) {
    let state = null;
    this.draw = (now) => {
      state = now;
      drawMap();
      drawLosses();
      drawArrows();
    };

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
      if (chart && chart.key === key && chart.surface === state.surface) return chart.canvas;
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
      chart = { key, surface: state.surface, canvas };
      return canvas;
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
      const { pen, width, height } = fit(losses), ink = theme("--pst-color-text-muted"), steps = state.steps;
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
      losses.setAttribute("aria-label", `Loss against step on a logarithmic axis. At step ${state.time}: ${order(state).map(([name, loss]) => `${NAMES[name]} ${short(loss)}`).join(", ")}.`);
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
  }

  globalThis.L2LPainter = { Painter, NAMES, colour, length, order, outline, short };
})();

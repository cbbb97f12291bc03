/* The race's mathematics: surfaces, optimizers and chance, in double precision, without a word about drawing.
   It does what l2l_core does (tasks/surfaces.py, rules/), and tests hold the two together. */
(function (root) {
  "use strict";

  /* ---- chance: equal seeds, equal numbers ---- */

  // mulberry32: uniform on [0, 1)
  function uniform(seed) {
    let a = seed >>> 0;
    return function () {
      a = (a + 0x6d2b79f5) >>> 0;
      let t = Math.imul(a ^ (a >>> 15), a | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
    };
  }

  // Box and Muller: two standard Gaussian numbers
  function gaussians(next) {
    const radius = Math.sqrt(-2 * Math.log(1 - next())), angle = 2 * Math.PI * next();
    return [radius * Math.cos(angle), radius * Math.sin(angle)];
  }

  /* ---- surfaces: a height and a gradient at (x, y) ---- */

  // scale · ((1 + 2q)^wall − 1) / (2 wall), q a bowl in turned and bent coordinates
  function family({ scale, condition, angle, wall, bend, centre }) {
    const c = Math.cos(angle), s = Math.sin(angle);
    function seen(x, y) {
      const u = x - centre[0], v = y - centre[1], along = c * u + s * v;
      const across = c * v - s * u - bend * Math.sin(2 * along);
      return { along, across, q: (along * along / condition + across * across) / 2 };
    }
    return {
      height(x, y) {
        return scale * Math.expm1(wall * Math.log1p(2 * seen(x, y).q)) / (2 * wall);
      },
      gradient(x, y) {
        const { along, across, q } = seen(x, y), slope = scale * Math.pow(1 + 2 * q, wall - 1);
        const down = along / condition - 2 * bend * Math.cos(2 * along) * across;
        return [slope * (c * down - s * across), slope * (s * down + c * across)];
      },
    };
  }

  const rosenbrock = {
    height: (x, y) => (1 - x) ** 2 + 100 * (y - x * x) ** 2,
    gradient: (x, y) => [-2 * (1 - x) - 400 * x * (y - x * x), 200 * (y - x * x)],
  };

  const beale = {
    height: (x, y) => [1.5, 2.25, 2.625].reduce((sum, c, k) => sum + (c - x + x * y ** (k + 1)) ** 2, 0),
    gradient(x, y) {
      let gx = 0, gy = 0;
      [1.5, 2.25, 2.625].forEach((c, i) => {
        const k = i + 1, rest = c - x + x * y ** k;
        gx += 2 * rest * (y ** k - 1);
        gy += 2 * rest * k * x * y ** i;
      });
      return [gx, gy];
    },
  };

  function surface({ kind, ...shape }) {
    return { family, rosenbrock: () => rosenbrock, beale: () => beale }[kind](shape);
  }

  // a surface and a start as the task `Surfaces` draws them
  function draw(next) {
    const [kind, shape, long, turn, cx, cy, far, towards] = Array.from({ length: 8 }, next);
    const centre = [2 * cx - 1, 2 * cy - 1], away = 0.5 * 8 ** far;
    const start = [centre[0] + away * Math.cos(2 * Math.PI * towards), centre[1] + away * Math.sin(2 * Math.PI * towards)];
    const which = Math.floor(3 * kind);
    const wall = which === 1 ? 1 - 0.75 * shape : 1, bend = which === 2 ? shape : 0;
    const one = { kind: "family", scale: 1, condition: 100 ** long, angle: Math.PI * turn, wall, bend, centre };
    return { surface: { ...one, scale: 1 / family(one).height(...start) }, start };
  }

  /* ---- rules: a state before the first step, and (gradient, state, t) → [step, state]; the step is added ---- */

  const each = (f, ...lists) => lists[0].map((_, i) => f(...lists.map((list) => list[i])));

  const sgd = (lr) => ({ init: () => [], update: (g, s) => [each((a) => -lr * a, g), s] });

  const momentum = (lr, mu = 0.9) => ({
    init: (n) => Array(n).fill(0),
    update(g, before) {
      const velocity = each((v, a) => mu * v + a, before, g);
      return [each((v) => -lr * v, velocity), velocity];
    },
  });

  const rmsprop = (lr, alpha = 0.99, eps = 1e-8) => ({
    init: (n) => Array(n).fill(0),
    update(g, before) {
      const square = each((s, a) => alpha * s + (1 - alpha) * a * a, before, g);
      return [each((a, s) => -lr * a / (Math.sqrt(s) + eps), g, square), square];
    },
  });

  const adam = (lr, b1 = 0.9, b2 = 0.999, eps = 1e-8) => ({
    init: (n) => ({ mean: Array(n).fill(0), square: Array(n).fill(0) }),
    update(g, before, t) {
      const mean = each((m, a) => b1 * m + (1 - b1) * a, before.mean, g);
      const square = each((v, a) => b2 * v + (1 - b2) * a * a, before.square, g);
      const c1 = 1 - b1 ** (t + 1), c2 = 1 - b2 ** (t + 1);
      return [each((m, v) => -lr * (m / c1) / (Math.sqrt(v / c2) + eps), mean, square), { mean, square }];
    },
  });

  const raw = (g) => [g];
  const logSign = (p) => (g) => [
    Math.log(Math.max(Math.abs(g), Math.exp(-p))) / p,
    Math.max(-1, Math.min(1, g * Math.exp(p))),
  ];

  const sigmoid = (x) => 1 / (1 + Math.exp(-x));

  // one coordinate through one layer; gates stand in the order i, f, c̃, o
  function cell({ ih, hh, b }, x, h, c) {
    const n = h.length, gates = new Float64Array(4 * n);
    for (let k = 0; k < 4 * n; k++) {
      let sum = b[k];
      for (let j = 0; j < x.length; j++) sum += ih[k * x.length + j] * x[j];
      for (let j = 0; j < n; j++) sum += hh[k * n + j] * h[j];
      gates[k] = sum;
    }
    const after = { h: Array(n), c: Array(n) };
    for (let k = 0; k < n; k++) {
      after.c[k] = sigmoid(gates[n + k]) * c[k] + sigmoid(gates[k]) * Math.tanh(gates[2 * n + k]);
      after.h[k] = sigmoid(gates[3 * n + k]) * Math.tanh(after.c[k]);
    }
    return after;
  }

  // the coordinatewise LSTM; a state holds, for every coordinate, {h, c} of every layer
  function lstm({ hidden, depth, p, scale, weights }) {
    const features = p === null ? raw : logSign(p), all = floats(weights);
    let place = 0;
    const take = (count) => all.subarray(place, (place += count));
    const layers = Array.from({ length: depth }, (_, layer) => {
      const inputs = layer ? hidden : p === null ? 1 : 2;
      return { ih: take(4 * hidden * inputs), hh: take(4 * hidden * hidden), b: take(4 * hidden) };
    });
    const readout = take(hidden), bias = take(1)[0], zeros = () => Array(hidden).fill(0);
    return {
      init: (n) => Array.from({ length: n }, () => layers.map(() => ({ h: zeros(), c: zeros() }))),
      update(g, before) {
        const after = each((a, memory) => {
          let x = features(a);
          return each((layer, { h, c }) => {
            const next = cell(layer, x, h, c);
            x = next.h;
            return next;
          }, layers, memory);
        }, g, before);
        const step = after.map((memory) => scale * memory[depth - 1].h.reduce((sum, h, k) => sum + readout[k] * h, bias));
        return [step, after];
      },
    };
  }

  // float32 numbers, little-endian, in base64; written out, because not every engine has atob
  function floats(text) {
    const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const bytes = [];
    let bits = 0, held = 0;
    for (const letter of text.replace(/=+$/, "")) {
      held = ((held << 6) | letters.indexOf(letter)) & 0xffff;
      if ((bits += 6) >= 8) bytes.push((held >> (bits -= 8)) & 0xff);
    }
    const view = new DataView(Uint8Array.from(bytes).buffer);
    return Float64Array.from({ length: bytes.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  }

  const HAND_DESIGNED = { sgd, momentum, rmsprop, adam };

  /* ---- a run: one rule on one surface ---- */

  // the noise of step t, the same for all rules
  const noise = (seed, t) => gaussians(uniform(seed + 7919 * t));

  // after t steps: where the rule is, its loss there, the gradient it is shown and the step it takes next
  function run(rule, on, start, steps, sigma = 0, seed = 0) {
    const made = { path: [], losses: [], gradients: [], steps: [] };
    let at = start, state = rule.init(2), step;
    for (let t = 0; t <= steps; t++) {
      const exact = on.gradient(...at), gradient = sigma ? each((g, z) => g + sigma * z, exact, noise(seed, t)) : exact;
      made.path.push(at);
      made.losses.push(on.height(...at));
      made.gradients.push(gradient);
      [step, state] = rule.update(gradient, state, t);
      made.steps.push(step);
      at = each((a, b) => a + b, at, step);
    }
    return made;
  }

  root.L2LRace = { uniform, gaussians, noise, surface, draw, lstm, floats, run, ...HAND_DESIGNED };
})(globalThis);

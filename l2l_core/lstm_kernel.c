/* The coordinatewise LSTM, a step forward and a window back: what lstm_blocks.py says, in one pass over memory.
 *
 * Coordinates are columns and do not meet, so a tile of them at a time goes through all layers (and, going back,
 * through all steps) within a core's own cache; a wide tile, because memory is quick along its rows alone. Compiled
 * for one rule: REAL, H (hidden units), LAYERS and F (features) are defined on the command line. A matrix is stored by
 * rows; a fused matrix is [4H][K], K = inputs + H + 1, with its gates in the order i, f, o, candidate and its bias in
 * the last column.
 *
 * NaN must come out where it went in: nothing here may be compiled with -ffinite-math-only.
 */
#include <math.h>
#include <string.h>

typedef REAL real;
#ifdef __AVX512F__
enum { BYTES = 64, ACROSS = 4 }; /* a product sums 4 rows × ACROSS vectors at a time: what registers hold */
#else
enum { BYTES = 32, ACROSS = 2 };
#endif
typedef real vec __attribute__((vector_size(BYTES), aligned(BYTES), may_alias));
enum { LANES = BYTES / sizeof(real), LEAST = ACROSS * LANES, MOST = H > 24 ? LEAST : 256 }; /* columns of a tile */
enum { G = 4 * H, TOP = LAYERS - 1, K0 = F + H + 1, K1 = 2 * H + 1, KMAX = ((K0 > K1 ? K0 : K1) + 3) / 4 * 4 };

#define INPUTS(layer) ((layer) ? H : F)
#define INLINE static inline __attribute__((always_inline))
#define ALIGNED __attribute__((aligned(BYTES)))

INLINE real squash(real x) /* tanh */
{
    if (sizeof(real) > 4) return tanh(x);
    /* the quotient of polynomials that is tanh to 3e-7; beyond 7.9, ±1 in float32. NaN fails both comparisons */
    real bound = (real)7.90531110763549805;
    x = x > bound ? bound : x;
    x = x < -bound ? -bound : x;
    real s = x * x;
    real p = (real)-2.76076847742355e-16 * s + (real)2.00018790482477e-13;
    p = p * s + (real)-8.60467152213735e-11;
    p = p * s + (real)5.12229709037114e-08;
    p = p * s + (real)1.48572235717979e-05;
    p = p * s + (real)6.37261928875436e-04;
    p = p * s + (real)4.89352455891786e-03;
    real q = (real)1.19825839466702e-06 * s + (real)1.18534705686654e-04;
    q = q * s + (real)2.26843463243900e-03;
    q = q * s + (real)4.89352518554385e-03;
    return x * p / q;
}

INLINE real logistic(real x) { return (real)0.5 * squash((real)0.5 * x) + (real)0.5; }

/* one layer's activations for a tile: [x; h; 1], gates, c before, tanh c after */
typedef struct {
    real input[KMAX * MOST] ALIGNED, gates[G * MOST] ALIGNED, before[H * MOST] ALIGNED, tanh[H * MOST] ALIGNED;
} Layer;

/* what a thread works on: on its stack it might not fit */
static _Thread_local struct {
    Layer layer[LAYERS];
    real cell[H * MOST] ALIGNED, hidden[(H > F ? H : F) * MOST] ALIGNED, up[MOST] ALIGNED;
    real dh[LAYERS][H * MOST] ALIGNED, dc[LAYERS][H * MOST] ALIGNED, d[G * MOST] ALIGNED, d_input[KMAX * MOST] ALIGNED;
    vec dw[LAYERS][G * KMAX], d_readout[H + 1]; /* lane by lane */
} my;

/* out [rows][n] = w [rows][inner] · a [inner][n]; rows is a multiple of 4, n of LEAST */
INLINE void multiply(int n, int rows, int inner, const real *w, const real *a, real *out)
{
    for (int r = 0; r < rows; r += 4)
        for (int j = 0; j < n; j += LEAST) {
            vec sum[4][ACROSS] = {0};
            for (int k = 0; k < inner; k++)
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                    for (int q = 0; q < ACROSS; q++)
                        sum[i][q] += w[(r + i) * inner + k] * *(const vec *)(a + k * n + j + q * LANES);
            for (int i = 0; i < 4; i++)
                for (int q = 0; q < ACROSS; q++) *(vec *)(out + (r + i) * n + j + q * LANES) = sum[i][q];
        }
}

/* dw [G][KMAX] += d [G][n] · aᵀ, with a [inner][n]; columns from `inner` on are nobody's */
INLINE void accumulate(int n, int inner, const real *d, const real *a, vec *dw)
{
    for (int r = 0; r < G; r += 4)
        for (int k = 0; k < inner; k += ACROSS) {
            vec sum[4][ACROSS];
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                for (int q = 0; q < ACROSS; q++) sum[i][q] = dw[(r + i) * KMAX + k + q];
            for (int j = 0; j < n; j += LANES)
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                    for (int q = 0; q < ACROSS; q++)
                        sum[i][q] += *(const vec *)(d + (r + i) * n + j) * *(const vec *)(a + (k + q) * n + j);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                for (int q = 0; q < ACROSS; q++) dw[(r + i) * KMAX + k + q] = sum[i][q];
        }
}

INLINE real lanes(vec v)
{
    real sum = 0;
    for (int j = 0; j < LANES; j++) sum += v[j];
    return sum;
}

/* how many columns a tile computes that has m of its own */
INLINE int padded(int m) { return (m + LEAST - 1) / LEAST * LEAST; }

/* m columns of rows that lie `stride` apart, and zeros up to n */
INLINE void load(int rows, int m, int n, const real *from, long stride, real *to)
{
    for (int r = 0; r < rows; r++) {
        memcpy(to + r * n, from + r * stride, m * sizeof(real));
        for (int j = m; j < n; j++) to[r * n + j] = 0;
    }
}

/* x [m][F] as rows */
INLINE void features(int m, int n, const real *x, real *to)
{
    for (int f = 0; f < F; f++)
        for (int j = 0; j < n; j++) to[f * n + j] = j < m ? x[j * F + f] : 0;
}

/* from what `input` and `before` hold to gates, tanh c', c' and h' */
INLINE void forward(int layer, int n, Layer *l, const real *w, real *c_after, real *h_after)
{
    int k = INPUTS(layer) + H + 1;
    for (int j = 0; j < n; j++) l->input[(k - 1) * n + j] = 1;
    multiply(n, G, k, w, l->input, l->gates);
    for (int p = 0; p < 3 * H * n; p++) l->gates[p] = logistic(l->gates[p]);
    for (int p = 3 * H * n; p < G * n; p++) l->gates[p] = squash(l->gates[p]);
    const real *i = l->gates, *f = i + H * n, *o = f + H * n, *g = o + H * n;
#pragma GCC ivdep
    for (int p = 0; p < H * n; p++) {
        c_after[p] = f[p] * l->before[p] + i[p] * g[p];
        l->tanh[p] = squash(c_after[p]);
        h_after[p] = o[p] * l->tanh[p];
    }
}

/* all layers of one step: the top's h' is left in my.hidden. The layers' memories are h and c, [H][stride] each;
 * where `h_after` is given, so are the new ones */
INLINE void climb(int m, int n, const real *x, const real *const *w, const real *const *h, const real *const *c,
                  long at, long stride, real *const *h_after, real *const *c_after)
{
    features(m, n, x, my.hidden);
    for (int layer = 0; layer < LAYERS; layer++) {
        Layer *l = my.layer + layer;
        memcpy(l->input, my.hidden, INPUTS(layer) * n * sizeof(real));
        load(H, m, n, h[layer] + at, stride, l->input + INPUTS(layer) * n);
        load(H, m, n, c[layer] + at, stride, l->before);
        if (layer) forward(1, n, l, w[layer], my.cell, my.hidden);
        else forward(0, n, l, w[0], my.cell, my.hidden);
        for (int r = 0; h_after && r < H; r++) {
            memcpy(h_after[layer] + r * stride + at, my.hidden + r * n, m * sizeof(real));
            memcpy(c_after[layer] + r * stride + at, my.cell + r * n, m * sizeof(real));
        }
    }
}

/* Columns of the weights' gradients that `pullback` fills. */
int padded_columns(void) { return KMAX; }

/* One step of the coordinates from `start` to `stop` of n: h, c [LAYERS] → [H][n], x [n][F], update [n]. */
void step(long n, long start, long stop, const real *x, const real *const *w, const real *readout,
          const real *const *h, const real *const *c, real *const *h_after, real *const *c_after, real *update)
{
    for (long at = start; at < stop; at += MOST) {
        int m = stop - at < MOST ? stop - at : MOST, wide = padded(m);
        climb(m, wide, x + at * F, w, h, c, at, n, h_after, c_after);
        for (int j = 0; j < wide; j++) my.up[j] = readout[H];
        for (int r = 0; r < H; r++)
            for (int j = 0; j < wide; j++) my.up[j] += readout[r] * my.hidden[r * wide + j];
        memcpy(update + at, my.up, m * sizeof(real));
    }
}

/* back through one layer: from dh, dc to the gates' gradient my.d [G][n], dc before, and my.d_input [rows][n] */
INLINE void backward(int layer, int n, const Layer *l, const real *wt, const real *dh, real *dc, vec *dw)
{
    int s = H * n;
    const real *i = l->gates, *f = i + s, *o = f + s, *g = o + s;
#pragma GCC ivdep
    for (int p = 0; p < s; p++) {
        real tanh = l->tanh[p], cell = dc[p] + dh[p] * o[p] * (1 - tanh * tanh);
        my.d[p] = cell * g[p] * i[p] * (1 - i[p]);
        my.d[s + p] = cell * l->before[p] * f[p] * (1 - f[p]);
        my.d[2 * s + p] = dh[p] * tanh * o[p] * (1 - o[p]);
        my.d[3 * s + p] = cell * i[p] * (1 - g[p] * g[p]);
        dc[p] = cell * f[p];
    }
    accumulate(n, INPUTS(layer) + H + 1, my.d, l->input, dw);
    multiply(n, (INPUTS(layer) + H + 3) / 4 * 4, G, wt, my.d, my.d_input);
}

/* Σ over the coordinates from `start` to `stop` and over the window's gradients: dw [LAYERS][G][KMAX] and
 * d_readout [H + 1]. x [steps][n][F], upstream [steps][n], h and c [steps · LAYERS] → [H][n], before each step;
 * wt are the transposed matrices without bias, their rows padded to a multiple of 4. */
void pullback(long steps, long n, long start, long stop, const real *x, const real *const *w, const real *const *wt,
              const real *readout, const real *const *h, const real *const *c, const real *upstream, real *dw,
              real *d_readout)
{
    memset(my.dw, 0, sizeof my.dw);
    memset(my.d_readout, 0, sizeof my.d_readout);
    for (long at = start; at < stop; at += MOST) {
        int m = stop - at < MOST ? stop - at : MOST, wide = padded(m);
        memset(my.dh, 0, sizeof my.dh);
        memset(my.dc, 0, sizeof my.dc);
        for (long t = steps - 1; t >= 0; t--) {
            climb(m, wide, x + (t * n + at) * F, w, h + t * LAYERS, c + t * LAYERS, at, n, 0, 0);
            load(1, m, wide, upstream + t * n + at, 0, my.up);
            for (int j = 0; j < wide; j += LANES) {
                vec up = *(vec *)(my.up + j);
                for (int r = 0; r < H; r++) {
                    *(vec *)(my.dh[TOP] + r * wide + j) += readout[r] * up;
                    my.d_readout[r] += *(vec *)(my.hidden + r * wide + j) * up;
                }
                my.d_readout[H] += up;
            }
            for (int layer = TOP; layer >= 0; layer--) {
                if (layer) backward(1, wide, my.layer + layer, wt[layer], my.dh[layer], my.dc[layer], my.dw[layer]);
                else backward(0, wide, my.layer, wt[0], my.dh[0], my.dc[0], my.dw[0]);
                memcpy(my.dh[layer], my.d_input + INPUTS(layer) * wide, H * wide * sizeof(real));
                for (int p = 0; layer && p < H * wide; p++) my.dh[layer - 1][p] += my.d_input[p];
            }
        }
    }
    for (int layer = 0; layer < LAYERS; layer++)
        for (int p = 0; p < G * KMAX; p++) dw[layer * G * KMAX + p] = lanes(my.dw[layer][p]);
    for (int r = 0; r <= H; r++) d_readout[r] = lanes(my.d_readout[r]);
}

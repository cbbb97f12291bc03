/* The coordinatewise LSTM, a step forward and a window back: what lstm_blocks.py says, in one pass over memory.
 *
 * Coordinates are columns and do not meet, so C of them at a time go through all layers (and, going back, through
 * all steps) within a core's own cache. Compiled for one rule: REAL, H (hidden units), LAYERS and F (features) are
 * defined on the command line. A matrix is stored by rows; a fused matrix is [4H][K], K = inputs + H + 1, with its
 * gates in the order i, f, o, candidate and its bias in the last column.
 *
 * NaN must come out where it went in: nothing here may be compiled with -ffinite-math-only.
 */
#include <math.h>
#include <string.h>

typedef REAL real;
#ifdef __AVX512F__
enum { BYTES = 64, ACROSS = 4, DOWN = 4 }; /* vectors a tile across, rows a tile of a weight gradient: registers */
#else
enum { BYTES = 32, ACROSS = 2, DOWN = 2 };
#endif
typedef real vec __attribute__((vector_size(BYTES), aligned(BYTES)));
enum { C = 64, LANES = BYTES / sizeof(real), G = 4 * H, TOP = LAYERS - 1 };
enum { K0 = F + H + 1, K1 = 2 * H + 1, KMAX = K0 > K1 ? K0 : K1, KPAD = (KMAX + LANES - 1) / LANES * LANES };

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

/* out [rows][C] = w [rows][inner] · a [inner][C]; rows is a multiple of 4 */
INLINE void multiply(int rows, int inner, const real *w, const real *a, real *out)
{
    for (int r = 0; r < rows; r += 4)
        for (int j = 0; j < C; j += ACROSS * LANES) {
            vec sum[4][ACROSS] = {0};
            for (int k = 0; k < inner; k++)
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
#pragma GCC unroll 4
                    for (int q = 0; q < ACROSS; q++)
                        sum[i][q] += w[(r + i) * inner + k] * *(const vec *)(a + k * C + j + q * LANES);
            for (int i = 0; i < 4; i++)
                for (int q = 0; q < ACROSS; q++) *(vec *)(out + (r + i) * C + j + q * LANES) = sum[i][q];
        }
}

/* dw [G][KPAD] += d [G][C] · aᵀ, with a [inner][C] */
INLINE void accumulate(int inner, const real *d, const real *a, real *dw)
{
    enum { PARTS = KPAD / LANES };
    real across[C * KPAD] ALIGNED; /* aᵀ, padded by zeros */
    for (int j = 0; j < C; j++)
        for (int k = 0; k < KPAD; k++) across[j * KPAD + k] = k < inner ? a[k * C + j] : 0;
    int parts = (inner + LANES - 1) / LANES;
    for (int r = 0; r < G; r += DOWN) {
        vec sum[DOWN][PARTS];
#pragma GCC unroll 4
        for (int i = 0; i < DOWN; i++)
#pragma GCC unroll 16
            for (int q = 0; q < parts; q++) sum[i][q] = *(vec *)(dw + (r + i) * KPAD + q * LANES);
        for (int j = 0; j < C; j++)
#pragma GCC unroll 4
            for (int i = 0; i < DOWN; i++)
#pragma GCC unroll 16
                for (int q = 0; q < parts; q++)
                    sum[i][q] += d[(r + i) * C + j] * *(const vec *)(across + j * KPAD + q * LANES);
#pragma GCC unroll 4
        for (int i = 0; i < DOWN; i++)
#pragma GCC unroll 16
            for (int q = 0; q < parts; q++) *(vec *)(dw + (r + i) * KPAD + q * LANES) = sum[i][q];
    }
}

/* m columns of rows that lie `stride` apart, the rest zeros */
INLINE void load(int rows, int m, const real *from, long stride, real *to)
{
    for (int r = 0; r < rows; r++) {
        memcpy(to + r * C, from + r * stride, m * sizeof(real));
        for (int j = m; j < C; j++) to[r * C + j] = 0;
    }
}

/* one layer's activations for C coordinates: [x; h; 1], gates, c before, tanh c after */
typedef struct {
    real input[KMAX * C] ALIGNED, gates[G * C] ALIGNED, c[H * C] ALIGNED, tanh[H * C] ALIGNED;
} Layer;

/* from what `input` and `c` hold to gates, tanh c', c' and h' */
INLINE void forward(int layer, Layer *l, const real *w, real *c_after, real *h_after)
{
    int k = INPUTS(layer) + H + 1;
    for (int j = 0; j < C; j++) l->input[(k - 1) * C + j] = 1;
    multiply(G, k, w, l->input, l->gates);
    for (int p = 0; p < 3 * H * C; p++) l->gates[p] = logistic(l->gates[p]);
    for (int p = 3 * H * C; p < G * C; p++) l->gates[p] = squash(l->gates[p]);
    const real *i = l->gates, *f = i + H * C, *o = f + H * C, *g = o + H * C;
    for (int p = 0; p < H * C; p++) {
        c_after[p] = f[p] * l->c[p] + i[p] * g[p];
        l->tanh[p] = squash(c_after[p]);
        h_after[p] = o[p] * l->tanh[p];
    }
}

INLINE void features(int m, const real *x, real *to) /* x [m][F] */
{
    for (int f = 0; f < F; f++)
        for (int j = 0; j < C; j++) to[f * C + j] = j < m ? x[j * F + f] : 0;
}

int padded_columns(void) { return KPAD; }

/* One step of the coordinates from `start` to `stop` of n: h, c [LAYERS] → [H][n], x [n][F], update [n]. */
void step(long n, long start, long stop, const real *x, const real *const *w, const real *readout,
          const real *const *h, const real *const *c, real *const *h_after, real *const *c_after, real *update)
{
    Layer l;
    real below[(H > F ? H : F) * C] ALIGNED, cell[H * C] ALIGNED;
    for (long at = start; at < stop; at += C) {
        int m = stop - at < C ? stop - at : C;
        features(m, x + at * F, below);
        for (int layer = 0; layer < LAYERS; layer++) {
            memcpy(l.input, below, INPUTS(layer) * C * sizeof(real));
            load(H, m, h[layer] + at, n, l.input + INPUTS(layer) * C);
            load(H, m, c[layer] + at, n, l.c);
            if (layer) forward(1, &l, w[layer], cell, below);
            else forward(0, &l, w[0], cell, below);
            for (int r = 0; r < H; r++) {
                memcpy(h_after[layer] + r * n + at, below + r * C, m * sizeof(real));
                memcpy(c_after[layer] + r * n + at, cell + r * C, m * sizeof(real));
            }
        }
        for (int j = 0; j < C; j++) cell[j] = readout[H];
        for (int r = 0; r < H; r++)
            for (int j = 0; j < C; j++) cell[j] += readout[r] * below[r * C + j];
        memcpy(update + at, cell, m * sizeof(real));
    }
}

/* back through one layer: from dh, dc to the gates' gradient d [G][C], dc before, and `d_input` [rows][C] */
INLINE void backward(int layer, const Layer *l, const real *wt, const real *dh, real *dc, real *d, real *dw,
                     real *d_input)
{
    enum { S = H * C };
    const real *i = l->gates, *f = i + S, *o = f + S, *g = o + S;
    for (int p = 0; p < S; p++) {
        real tanh = l->tanh[p], cell = dc[p] + dh[p] * o[p] * (1 - tanh * tanh);
        d[p] = cell * g[p] * i[p] * (1 - i[p]);
        d[S + p] = cell * l->c[p] * f[p] * (1 - f[p]);
        d[2 * S + p] = dh[p] * tanh * o[p] * (1 - o[p]);
        d[3 * S + p] = cell * i[p] * (1 - g[p] * g[p]);
        dc[p] = cell * f[p];
    }
    accumulate(INPUTS(layer) + H + 1, d, l->input, dw);
    multiply((INPUTS(layer) + H + 3) / 4 * 4, G, wt, d, d_input);
}

/* Σ over the coordinates from `start` to `stop` and over the window's gradients: dw [LAYERS][G][KPAD] and
 * d_readout [H + 1] are added to. x [steps][n][F], upstream [steps][n], h and c [steps · LAYERS] → [H][n], before each
 * step; wt are the transposed matrices without bias, their rows padded to a multiple of 4. */
void pullback(long steps, long n, long start, long stop, const real *x, const real *const *w, const real *const *wt,
              const real *readout, const real *const *h, const real *const *c, const real *upstream, real *dw,
              real *d_readout)
{
    static const int S = H * C;
    Layer l[LAYERS];
    real dh[LAYERS * H * C] ALIGNED, dc[LAYERS * H * C] ALIGNED, d[G * C] ALIGNED, d_input[(KMAX + 3) * C] ALIGNED;
    real cell[H * C] ALIGNED, hidden[H * C] ALIGNED, up[C] ALIGNED;
    for (long at = start; at < stop; at += C) {
        int m = stop - at < C ? stop - at : C;
        memset(dh, 0, sizeof dh);
        memset(dc, 0, sizeof dc);
        for (long t = steps - 1; t >= 0; t--) {
            features(m, x + (t * n + at) * F, l[0].input);
            for (int layer = 0; layer < LAYERS; layer++) {
                load(H, m, h[t * LAYERS + layer] + at, n, l[layer].input + INPUTS(layer) * C);
                load(H, m, c[t * LAYERS + layer] + at, n, l[layer].c);
                if (layer) memcpy(l[layer].input, hidden, sizeof hidden);
                if (layer) forward(1, l + layer, w[layer], cell, hidden);
                else forward(0, l, w[0], cell, hidden);
            }
            load(1, m, upstream + t * n + at, 0, up);
            for (int r = 0; r < H; r++) {
                vec sum = {0};
                for (int j = 0; j < C; j++) dh[TOP * S + r * C + j] += readout[r] * up[j];
                for (int j = 0; j < C; j += LANES) sum += *(vec *)(hidden + r * C + j) * *(vec *)(up + j);
                for (int j = 0; j < LANES; j++) d_readout[r] += sum[j];
            }
            for (int j = 0; j < C; j++) d_readout[H] += up[j];
            for (int layer = TOP; layer >= 0; layer--) {
                real *share = dw + layer * G * KPAD;
                if (layer) backward(1, l + layer, wt[layer], dh + layer * S, dc + layer * S, d, share, d_input);
                else backward(0, l, wt[0], dh, dc, d, share, d_input);
                memcpy(dh + layer * S, d_input + INPUTS(layer) * C, S * sizeof(real));
                if (layer)
                    for (int p = 0; p < S; p++) dh[(layer - 1) * S + p] += d_input[p];
            }
        }
    }
}

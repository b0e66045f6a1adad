/* The layers of a small 1-D network with their gradients: convolution, and normalisation joined with activation.

   Features lie in tiles of 32 examples, (position, tile, channel, 32) float, with a row of zeros before the first and
   behind the last position, so that a convolution reads contiguous memory and has no borders. Batches are multiples of
   32, channels of 8 (the input's excepted). One thread; a result depends on nothing but the arguments. */
#include "layers.h"

#include <math.h>
#include <string.h>

#define SPAN 16 /* tiles whose gradients stay in the first cache while every input channel meets them */

/* ---- convolution ------------------------------------------------------------------------------------------------ */

/* out (channels, 32) = plus + sum over taps of weights x in; weights packed (outputs/8, taps, inputs, 8). */
static void tile(float *out, int outputs, int inputs, int taps, const float *const *in, const int *which, int packed_taps,
                 const float *packed, const float *plus) {
    for (int o = 0; o < outputs; o += GROUP) {
        for (int first = 0; first < WIDE; first += ACROSS * LANES) {
            Vector sum[GROUP][ACROSS];
            for (int j = 0; j < GROUP; j++) {
                for (int v = 0; v < ACROSS; v++) {
                    sum[j][v] = plus ? *(const Vector *)(plus + (o + j) * WIDE + first + v * LANES) : (Vector){0};
                }
            }
            for (int tap = 0; tap < taps; tap++) {
                const float *w = packed + ((size_t)(o / GROUP) * packed_taps + which[tap]) * inputs * GROUP;
                const float *x = in[tap] + first;
                for (int c = 0; c < inputs; c++, w += GROUP, x += WIDE) {
#pragma GCC unroll 2
                    for (int v = 0; v < ACROSS; v++) {
                        const Vector from = *(const Vector *)(x + v * LANES);
#pragma GCC unroll 8
                        for (int j = 0; j < GROUP; j++) {
                            sum[j][v] += w[j] * from;
                        }
                    }
                }
            }
            for (int j = 0; j < GROUP; j++) {
                for (int v = 0; v < ACROSS; v++) {
                    *(Vector *)(out + (o + j) * WIDE + first + v * LANES) = sum[j][v];
                }
            }
        }
    }
}

/* weight (O, taps, C) -> packed (O/8, taps, C, 8). */
static void pack(const float *weight, Shape s, float *packed) {
    for (int o = 0; o < s.outputs; o++) {
        for (int i = 0; i < s.taps * s.inputs; i++) {
            packed[((o / GROUP) * s.taps * s.inputs + i) * GROUP + o % GROUP] = weight[o * s.taps * s.inputs + i];
        }
    }
}

/* weight (O, taps, C) -> packed (C/8, taps, O, 8): for the gradient of the input. */
static void pack_transposed(const float *weight, Shape s, float *packed) {
    for (int o = 0; o < s.outputs; o++) {
        for (int tap = 0; tap < s.taps; tap++) {
            for (int c = 0; c < s.inputs; c++) {
                packed[(((c / GROUP) * s.taps + tap) * s.outputs + o) * GROUP + c % GROUP] =
                    weight[(o * s.taps + tap) * s.inputs + c];
            }
        }
    }
}

/* Features are addressed by their first zero row: row p + 1 holds position p. */
void convolve(const float *in, float *out, const float *weight, Shape s, int tiles, const float *plus, float *packed) {
    const int centre = s.taps == 1;
    pack(weight, s, packed);
    for (int p = 0; p < s.positions; p++) {
        for (int t = 0; t < tiles; t++) {
            const float *rows[3];
            const int which[3] = {0, 1, 2};
            for (int tap = 0; tap < s.taps; tap++) {
                rows[tap] = in + ((size_t)(p * s.stride + tap + centre) * tiles + t) * s.inputs * WIDE;
            }
            size_t place = ((size_t)(p + 1) * tiles + t) * s.outputs * WIDE;
            tile(out + place, s.outputs, s.inputs, s.taps, rows, which, s.taps, packed, plus ? plus + place : 0);
        }
    }
}

/* The gradient of the input from that of the output; plus is added. Positions of the input are stride x the output's. */
void convolve_back(const float *grad, float *into, const float *weight, Shape s, int tiles, const float *plus,
                          float *packed) {
    pack_transposed(weight, s, packed);
    for (int p = 0; p < s.positions * s.stride; p++) {
        int taps = 0, which[3], from[3];
        for (int tap = 0; tap < s.taps; tap++) {
            int shifted = s.taps == 1 ? p : p + 1 - tap; /* stride x the output position that this tap fed */
            if (shifted % s.stride == 0 && shifted >= 0 && shifted / s.stride < s.positions) {
                which[taps] = tap;
                from[taps++] = shifted / s.stride;
            }
        }
        for (int t = 0; t < tiles; t++) {
            const float *rows[3];
            for (int tap = 0; tap < taps; tap++) {
                rows[tap] = grad + ((size_t)(from[tap] + 1) * tiles + t) * s.outputs * WIDE;
            }
            size_t place = ((size_t)(p + 1) * tiles + t) * s.inputs * WIDE;
            tile(into + place, s.inputs, s.outputs, taps, rows, which, s.taps, packed, plus ? plus + place : 0);
        }
    }
}

/* Gradients of weight (O, taps, C) and bias. sums holds 8 x taps x C vectors. */
void weight_back(const float *in, const float *grad, float *weight, Shape s, int tiles, Vector *sums) {
    const int all = s.positions * tiles, centre = s.taps == 1;
    for (int o = 0; o < s.outputs; o += GROUP) {
        memset(sums, 0, sizeof(Vector) * GROUP * (size_t)(s.taps * s.inputs));
        for (int first = 0; first < all; first += SPAN) {
            const int last = first + SPAN < all ? first + SPAN : all;
            for (int c = 0; c < s.inputs; c++) {
                Vector *own = sums + (size_t)c * s.taps * GROUP;
                if (s.taps == 3) {
                    Vector sum[3][GROUP];
                    for (int j = 0; j < GROUP; j++) {
                        sum[0][j] = own[j], sum[1][j] = own[GROUP + j], sum[2][j] = own[2 * GROUP + j];
                    }
                    const size_t step = (size_t)tiles * s.inputs * WIDE;
                    for (int n = first; n < last; n++) {
                        const float *g = grad + ((size_t)(n + tiles) * s.outputs + o) * WIDE;
                        const float *x = in + (((size_t)(n / tiles) * s.stride * tiles + n % tiles) * s.inputs + c) * WIDE;
                        for (int v = 0; v < WIDE; v += LANES) {
                            Vector x0 = *(const Vector *)(x + v), x1 = *(const Vector *)(x + step + v),
                                   x2 = *(const Vector *)(x + 2 * step + v);
#pragma GCC unroll 8
                            for (int j = 0; j < GROUP; j++) {
                                Vector from = *(const Vector *)(g + j * WIDE + v);
                                sum[0][j] += from * x0;
                                sum[1][j] += from * x1;
                                sum[2][j] += from * x2;
                            }
                        }
                    }
                    for (int j = 0; j < GROUP; j++) {
                        own[j] = sum[0][j], own[GROUP + j] = sum[1][j], own[2 * GROUP + j] = sum[2][j];
                    }
                } else {
                    for (int n = first; n < last; n++) {
                        const float *g = grad + ((size_t)(n + tiles) * s.outputs + o) * WIDE;
                        const float *x = in + (((size_t)(n / tiles * s.stride + centre) * tiles + n % tiles) * s.inputs + c) * WIDE;
                        for (int v = 0; v < WIDE; v += LANES) {
                            Vector x0 = *(const Vector *)(x + v);
#pragma GCC unroll 8
                            for (int j = 0; j < GROUP; j++) {
                                own[j] += *(const Vector *)(g + j * WIDE + v) * x0;
                            }
                        }
                    }
                }
            }
        }
        for (int j = 0; j < GROUP; j++) {
            for (int c = 0; c < s.inputs; c++) {
                for (int tap = 0; tap < s.taps; tap++) {
                    weight[((o + j) * s.taps + tap) * s.inputs + c] = total(sums[(c * s.taps + tap) * GROUP + j]);
                }
            }
        }
    }
}

/* ---- normalisation and activation ------------------------------------------------------------------------------- */

/* Spread a number a channel over the lanes of a tile, as often as fills whole blocks. */
static void spread(const float *values, int channels, float *pattern, int length) {
    for (int start = 0; start < length; start += channels * WIDE) {
        for (int c = 0; c < channels; c++) {
            for (int i = 0; i < WIDE; i++) {
                pattern[start + c * WIDE + i] = values[c];
            }
        }
    }
}

static int pattern_length(int channels) {
    return channels * WIDE > BLOCK ? channels * WIDE : BLOCK;
}

typedef float Pattern[WIDEST * WIDE] __attribute__((aligned(64)));

static void statistics(Site *s, int tiles) {
    const int width = s->channels * WIDE, rows = s->positions * tiles;
    const float *x = s->x + (size_t)tiles * width;
    Pattern sum, centre;
    memset(sum, 0, sizeof(float) * (size_t)width);
    for (int n = 0; n < rows; n++) {
        for (int i = 0; i < width; i++) {
            sum[i] += x[(size_t)n * width + i];
        }
    }
    for (int c = 0; c < s->channels; c++) {
        s->centre[c] = total_of(sum + c * WIDE) / (rows * WIDE);
    }
    spread(s->centre, s->channels, centre, width);
    memset(sum, 0, sizeof(float) * (size_t)width);
    for (int n = 0; n < rows; n++) {
        for (int i = 0; i < width; i++) {
            float d = x[(size_t)n * width + i] - centre[i];
            sum[i] += d * d;
        }
    }
    for (int c = 0; c < s->channels; c++) {
        float variance = total_of(sum + c * WIDE) / (rows * WIDE);
        s->inverse[c] = 1 / sqrtf(variance + NORM_EPSILON);
        s->mean[c] += NORM_MOMENTUM * (s->centre[c] - s->mean[c]);
        s->variance[c] += NORM_MOMENTUM * (variance * ((float)(rows * WIDE) / (rows * WIDE - 1)) - s->variance[c]);
    }
}

void activate(Site *s, const Tape *tape, int tiles, int training) {
    const int width = s->channels * WIDE, length = pattern_length(s->channels);
    const size_t first = (size_t)tiles * width, last = first * (size_t)(s->positions + 1);
    Pattern scale, shift, beta;
    Work work;
    float scales[WIDEST], shifts[WIDEST];
    if (training) {
        statistics(s, tiles);
    } else {
        for (int c = 0; c < s->channels; c++) {
            s->centre[c] = s->mean[c];
            s->inverse[c] = 1 / sqrtf(s->variance[c] + NORM_EPSILON);
        }
    }
    for (int c = 0; c < s->channels; c++) {
        scales[c] = s->inverse[c] * s->gain[c];
        shifts[c] = s->bias[c] - s->centre[c] * scales[c];
    }
    spread(scales, s->channels, scale, length);
    spread(shifts, s->channels, shift, length);
    spread(s->beta, s->channels, beta, length);
    for (size_t n = first; n < last; n += BLOCK) {
        const int at = (int)((n - first) % (size_t)length);
        for (int i = 0; i < BLOCK; i++) {
            work.values[0][i] = s->x[n + i] * scale[at + i] + shift[at + i];
        }
        memcpy(work.values[1], beta + at, sizeof(Register));
        run_tape(tape, &work, s->y + n, training ? s->dx + n : 0, training && tape->by_beta ? s->db + n : 0);
    }
}

/* From the gradient of y (overwritten) to that of x, into a buffer with zero rows; plus is added. */
void activate_back(Site *s, const Tape *tape, int tiles, float *grad, const float *plus) {
    const int width = s->channels * WIDE, rows = s->positions * tiles;
    const size_t first = (size_t)tiles * width;
    Pattern sum, along, betas, centre, factor, constant;
    const size_t bytes = sizeof(float) * (size_t)width;
    memset(sum, 0, bytes), memset(along, 0, bytes), memset(betas, 0, bytes);
    spread(s->centre, s->channels, centre, width);
    for (int n = 0; n < rows; n++) {
        const size_t at = first + (size_t)n * width;
        float *g = grad + at;
        const float *dx = s->dx + at, *db = s->db + at, *x = s->x + at;
        if (tape->by_beta) {
            for (int i = 0; i < width; i++) {
                betas[i] += g[i] * db[i];
            }
        }
        for (int i = 0; i < width; i++) {
            float value = g[i] * dx[i];
            g[i] = value;
            sum[i] += value;
            along[i] += value * (x[i] - centre[i]);
        }
    }
    float factors[WIDEST], constants[WIDEST], scales[WIDEST];
    const float count = (float)(rows * WIDE);
    for (int c = 0; c < s->channels; c++) {
        float of_bias = total_of(sum + c * WIDE), projection = total_of(along + c * WIDE);
        s->bias_grad[c] = of_bias;
        s->gain_grad[c] = projection * s->inverse[c];
        s->beta_grad[c] = total_of(betas + c * WIDE);
        scales[c] = s->inverse[c] * s->gain[c];
        factors[c] = -projection * s->inverse[c] * s->inverse[c] / count * scales[c];
        constants[c] = -of_bias / count * scales[c];
    }
    Pattern scale;
    spread(scales, s->channels, scale, width);
    spread(factors, s->channels, factor, width);
    spread(constants, s->channels, constant, width);
    for (int n = 0; n < rows; n++) {
        const size_t at = first + (size_t)n * width;
        const float *g = grad + at, *x = s->x + at;
        float *out = grad + at;
        if (plus) {
            for (int i = 0; i < width; i++) {
                out[i] = plus[at + i] + g[i] * scale[i] + (x[i] - centre[i]) * factor[i] + constant[i];
            }
        } else {
            for (int i = 0; i < width; i++) {
                out[i] = g[i] * scale[i] + (x[i] - centre[i]) * factor[i] + constant[i];
            }
        }
    }
}

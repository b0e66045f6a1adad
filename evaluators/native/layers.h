/* Layers of a small 1-D network; layers.c says how features lie. */
#ifndef ACTSEARCH_LAYERS_H
#define ACTSEARCH_LAYERS_H

#include <stddef.h>
#include <string.h>

#include "tape.h"

/* A vector fills a register of the machine: a wider one is taken apart by the compiler, ten times slower. */
#ifdef __AVX512F__
#define LANES 16
#define ACROSS 2   /* vectors of a tile that are summed at a time: with GROUP they fill the registers, and no more */
#else
#define LANES 8
#define ACROSS 1
#endif
#define WIDE 32    /* examples of a tile */
#define GROUP 8    /* output channels that are worked on at a time */
#define WIDEST 128 /* most channels of a layer */
#define NORM_EPSILON 1e-5f /* torch.nn.BatchNorm1d's defaults */
#define NORM_MOMENTUM 0.1f

typedef float Vector __attribute__((vector_size(4 * LANES), aligned(4 * LANES), may_alias));

typedef struct {
    int inputs, outputs, taps, stride, positions; /* positions of the output; taps 3 or 1 */
} Shape;

typedef struct { /* one normalisation with the activation behind it */
    int channels, positions;
    const float *gain, *bias, *beta; /* parameters, a channel each */
    float *gain_grad, *bias_grad, *beta_grad;
    float *mean, *variance;          /* running statistics */
    float centre[WIDEST], inverse[WIDEST]; /* the batch's mean and 1 / deviation */
    float *x, *y, *dx, *db;          /* what comes in, f, df/dx, df/dbeta: features */
} Site;

/* out = convolution of in with weight (outputs, taps, inputs) and, where it is not null, plus. */
void convolve(const float *in, float *out, const float *weight, Shape s, int tiles, const float *plus, float *packed);
/* The gradient of the input from that of the output; plus is added. */
void convolve_back(const float *grad, float *into, const float *weight, Shape s, int tiles, const float *plus,
                   float *packed);
/* The gradient of the weight; sums holds 8 x taps x inputs vectors. */
void weight_back(const float *in, const float *grad, float *weight, Shape s, int tiles, Vector *sums);

/* y = f(normalised x); training takes the batch's statistics, moves the running ones, and keeps the derivatives. */
void activate(Site *s, const Tape *tape, int tiles, int training);
/* From the gradient of y, in place, to that of x; plus is added. */
void activate_back(Site *s, const Tape *tape, int tiles, float *grad, const float *plus);

static inline float total(Vector v) { /* the sum of the lanes, halved until one is left */
    float lanes[LANES];
    memcpy(lanes, &v, sizeof lanes);
    for (int width = LANES / 2; width; width /= 2) {
        for (int i = 0; i < width; i++) {
            lanes[i] += lanes[i + width];
        }
    }
    return lanes[0];
}

static inline float total_of(const float *row) { /* the sum of the WIDE examples of a channel */
    float sum = 0;
    for (int v = 0; v < WIDE; v += LANES) {
        sum += total(*(const Vector *)(row + v));
    }
    return sum;
}

#endif

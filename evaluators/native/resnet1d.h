/* The 1-D ResNet of evaluators/networks/resnet1d.py: its parts in memory, forwards and backwards. */
#ifndef ACTSEARCH_RESNET1D_H
#define ACTSEARCH_RESNET1D_H

#include "layers.h"

#define STAGES 3
#define MOST_BATCH 1024 /* examples a step */
#define SITES (2 * STAGES + 1)

typedef struct {
    int width, positions, batch, classes; /* channels of the first stage; numbers of an example; examples a step */
    float weight_decay, clip;
    const int *places; /* where each parameter starts in the flat vector, in the order of the modules */
    int size;          /* of the flat vector */
} Plan;

typedef struct {
    float *flat, *moment, *square; /* parameters and AdamW's two averages, (size) each */
    float *running;                /* mean and variance of every site, one after the other */
} Child;

typedef struct {
    Shape first, second, shortcut; /* shortcut.taps is 0 where the block adds its input as it is */
    const float *first_weight, *second_weight, *shortcut_weight;
    float *first_weight_grad, *second_weight_grad, *shortcut_weight_grad;
} Block;

typedef struct {
    const Plan *plan;
    int tiles;
    Shape stem;
    const float *stem_weight, *linear_weight, *linear_bias;
    float *stem_weight_grad, *linear_weight_grad, *linear_bias_grad;
    Block blocks[STAGES];
    Site sites[SITES];
    float *input, *out_grad[STAGES], *inner_grad[STAGES], *stem_grad; /* features */
    float *pooled, *logits;                                           /* (tile, channel, 32), (tile, class, 32) */
    float *packed, *grads;
    Vector *sums;
    void *memory[64];
    int blocks_of_memory;
} Net;

void open_net(Net *net, const Plan *plan, const Child *child, int training);
void close_net(Net *net);
/* Take the chosen of inputs (N, positions); beyond count examples are zeros. */
void gather(Net *net, const float *inputs, const int *chosen, int count);
void forward_net(Net *net, const Tape *tape, int training);
/* The cross-entropy of example n in nats; its class of largest logit; logits become probabilities. */
float cross_entropy(Net *net, int n, int label, int *guess);
/* From the gradients of the logits (where the logits were) to every gradient. */
void backward_net(Net *net, const Tape *tape);

#endif

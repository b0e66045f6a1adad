/* See resnet1d.h. */
#include "resnet1d.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void *take(Net *net, size_t floats) {
    size_t bytes = (floats * sizeof(float) + 4095) / 4096 * 4096 + 64 * (size_t)(1 + net->blocks_of_memory % 8);
    char *block = aligned_alloc(64, (bytes + 63) / 64 * 64);
    memset(block, 0, bytes);
    return net->memory[net->blocks_of_memory++] = block;
}

static float *features(Net *net, int channels, int positions) {
    return take(net, (size_t)(positions + 2) * (size_t)net->plan->batch * (size_t)channels);
}

void open_net(Net *net, const Plan *plan, const Child *child, int training) {
    memset(net, 0, sizeof *net);
    net->plan = plan;
    net->tiles = plan->batch / WIDE;
    net->grads = take(net, (size_t)plan->size);
    const int *place = plan->places;
    float *running = child->running;
#define NEXT(name) name = child->flat + *place, name##_grad = net->grads + *place++
    NEXT(net->stem_weight);
    net->stem = (Shape){1, plan->width, 3, 1, plan->positions};
    net->input = features(net, 1, plan->positions);
    for (int b = 0; b < STAGES; b++) {
        Block *block = &net->blocks[b];
        const int inputs = b ? plan->width << (b - 1) : plan->width, outputs = plan->width << b, stride = b ? 2 : 1;
        const int before = b ? plan->positions >> (b - 1) : plan->positions, after = plan->positions >> b;
        block->first = (Shape){inputs, outputs, 3, stride, after};
        block->second = (Shape){outputs, outputs, 3, 1, after};
        block->shortcut = (Shape){inputs, outputs, b ? 1 : 0, stride, after};
        net->sites[2 * b].channels = inputs, net->sites[2 * b].positions = before;
        net->sites[2 * b + 1].channels = outputs, net->sites[2 * b + 1].positions = after;
    }
    net->sites[SITES - 1].channels = plan->width << (STAGES - 1);
    net->sites[SITES - 1].positions = plan->positions >> (STAGES - 1);
    for (int n = 0; n < SITES; n++) {
        Site *site = &net->sites[n];
        NEXT(site->gain);
        NEXT(site->bias);
        NEXT(site->beta);
        if (n % 2 == 0 && n < SITES - 1) {
            NEXT(net->blocks[n / 2].first_weight);
        } else if (n < SITES - 1) {
            NEXT(net->blocks[n / 2].second_weight);
            if (n > 1) {
                NEXT(net->blocks[n / 2].shortcut_weight);
            }
        }
        site->mean = running, site->variance = running + site->channels;
        running += 2 * site->channels;
        site->x = features(net, site->channels, site->positions);
        site->y = features(net, site->channels, site->positions);
        if (training) {
            site->dx = features(net, site->channels, site->positions);
            site->db = features(net, site->channels, site->positions);
        }
    }
    NEXT(net->linear_weight);
    NEXT(net->linear_bias);
    const int widest = plan->width << (STAGES - 1);
    if (training) {
        for (int b = 0; b < STAGES; b++) {
            net->out_grad[b] = features(net, plan->width << b, plan->positions >> b);
            net->inner_grad[b] = features(net, plan->width << b, plan->positions >> b);
        }
        net->stem_grad = features(net, plan->width, plan->positions);
    }
    net->pooled = take(net, (size_t)(widest * plan->batch));
    net->logits = take(net, (size_t)(plan->classes * plan->batch));
    net->packed = take(net, (size_t)(3 * widest * widest));
    net->sums = take(net, (size_t)(3 * GROUP * widest * LANES));
}

void close_net(Net *net) {
    while (net->blocks_of_memory) {
        free(net->memory[--net->blocks_of_memory]);
    }
}

void gather(Net *net, const float *inputs, const int *chosen, int count) {
    const Plan *plan = net->plan;
    for (int p = 0; p < plan->positions; p++) {
        float *row = net->input + (size_t)(p + 1) * (size_t)plan->batch;
        for (int n = 0; n < plan->batch; n++) {
            row[n] = n < count ? inputs[(size_t)chosen[n] * (size_t)plan->positions + (size_t)p] : 0;
        }
    }
}

void forward_net(Net *net, const Tape *tape, int training) {
    const int tiles = net->tiles;
    Site *sites = net->sites, *last = &sites[SITES - 1];
    convolve(net->input, sites[0].x, net->stem_weight, net->stem, tiles, 0, net->packed);
    for (int b = 0; b < STAGES; b++) {
        const Block *block = &net->blocks[b];
        Site *outer = &sites[2 * b], *inner = outer + 1;
        float *out = sites[2 * b + 2].x;
        activate(outer, tape, tiles, training);
        convolve(outer->y, inner->x, block->first_weight, block->first, tiles, 0, net->packed);
        activate(inner, tape, tiles, training);
        const float *plus = outer->x;
        if (block->shortcut.taps) {
            convolve(outer->y, out, block->shortcut_weight, block->shortcut, tiles, 0, net->packed);
            plus = out;
        }
        convolve(inner->y, out, block->second_weight, block->second, tiles, plus, net->packed);
    }
    activate(last, tape, tiles, training);
    const int width = last->channels * WIDE, all = tiles * width, classes = net->plan->classes;
    memset(net->pooled, 0, sizeof(float) * (size_t)all);
    for (int p = 1; p <= last->positions; p++) {
        for (int i = 0; i < all; i++) {
            net->pooled[i] += last->y[(size_t)p * (size_t)all + (size_t)i] / (float)last->positions;
        }
    }
    for (int t = 0; t < tiles; t++) {
        for (int k = 0; k < classes; k++) {
            float *logit = net->logits + (t * classes + k) * WIDE;
            for (int i = 0; i < WIDE; i++) {
                logit[i] = net->linear_bias[k];
            }
            for (int c = 0; c < last->channels; c++) {
                const float weight = net->linear_weight[k * last->channels + c];
                for (int i = 0; i < WIDE; i++) {
                    logit[i] += weight * net->pooled[t * width + c * WIDE + i];
                }
            }
        }
    }
}

float cross_entropy(Net *net, int n, int label, int *guess) {
    const int classes = net->plan->classes;
    float *logit = net->logits + (n / WIDE) * classes * WIDE + n % WIDE, most = logit[0], sum = 0;
    *guess = 0;
    for (int k = 1; k < classes; k++) {
        if (logit[k * WIDE] > most) {
            most = logit[k * WIDE], *guess = k;
        }
    }
    const float own = logit[label * WIDE];
    for (int k = 0; k < classes; k++) {
        logit[k * WIDE] = expf(logit[k * WIDE] - most);
        sum += logit[k * WIDE];
    }
    for (int k = 0; k < classes; k++) {
        logit[k * WIDE] /= sum;
    }
    return logf(sum) + most - own;
}

void backward_net(Net *net, const Tape *tape) {
    const int tiles = net->tiles, classes = net->plan->classes;
    Site *last = &net->sites[SITES - 1];
    const int width = last->channels * WIDE, all = tiles * width;
    for (int k = 0; k < classes; k++) {
        Vector ones = {0};
        for (int t = 0; t < tiles; t++) {
            const Vector *g = (const Vector *)(net->logits + (t * classes + k) * WIDE);
            for (int v = 0; v < WIDE / LANES; v++) {
                ones += g[v];
            }
        }
        net->linear_bias_grad[k] = total(ones);
        for (int c = 0; c < last->channels; c++) {
            Vector sum = {0};
            for (int t = 0; t < tiles; t++) {
                const Vector *g = (const Vector *)(net->logits + (t * classes + k) * WIDE);
                const Vector *x = (const Vector *)(net->pooled + t * width + c * WIDE);
                for (int v = 0; v < WIDE / LANES; v++) {
                    sum += g[v] * x[v];
                }
            }
            net->linear_weight_grad[k * last->channels + c] = total(sum);
        }
    }
    float *grad = net->out_grad[STAGES - 1];
    for (int t = 0; t < tiles; t++) {
        for (int c = 0; c < last->channels; c++) {
            float *into = grad + all + t * width + c * WIDE;
            memset(into, 0, sizeof(float) * WIDE);
            for (int k = 0; k < classes; k++) {
                const float weight = net->linear_weight[k * last->channels + c] / (float)last->positions;
                for (int i = 0; i < WIDE; i++) {
                    into[i] += weight * net->logits[(t * classes + k) * WIDE + i];
                }
            }
        }
    }
    for (int p = 2; p <= last->positions; p++) {
        memcpy(grad + (size_t)p * (size_t)all, grad + all, sizeof(float) * (size_t)all);
    }
    activate_back(last, tape, tiles, grad, 0);
    for (int b = STAGES - 1; b >= 0; b--) {
        Block *block = &net->blocks[b];
        Site *outer = &net->sites[2 * b], *inner = outer + 1;
        float *out = net->out_grad[b], *within = net->inner_grad[b], *before = b ? net->out_grad[b - 1] : net->stem_grad;
        weight_back(inner->y, out, block->second_weight_grad, block->second, tiles, net->sums);
        convolve_back(out, within, block->second_weight, block->second, tiles, 0, net->packed);
        activate_back(inner, tape, tiles, within, 0);
        weight_back(outer->y, within, block->first_weight_grad, block->first, tiles, net->sums);
        convolve_back(within, before, block->first_weight, block->first, tiles, 0, net->packed);
        if (block->shortcut.taps) {
            weight_back(outer->y, out, block->shortcut_weight_grad, block->shortcut, tiles, net->sums);
            convolve_back(out, before, block->shortcut_weight, block->shortcut, tiles, before, net->packed);
        }
        activate_back(outer, tape, tiles, before, block->shortcut.taps ? 0 : out);
    }
    weight_back(net->input, net->stem_grad, net->stem_weight_grad, net->stem, tiles, net->sums);
}

/* Train the 1-D ResNet and score it: same loss and optimiser as evaluators/torch_child.py. */
#include <math.h>
#include <string.h>

#include "resnet1d.h"

/* Clip the gradient's norm, then one step of AdamW (Loshchilov & Hutter 2019, algorithm 2); return the norm. */
static float update(Net *net, Child *child, int step, float rate, float momentum) {
    const int size = net->plan->size;
    const float second = 0.999f, epsilon = 1e-8f; /* torch.optim.AdamW's defaults */
    Vector squares = {0};
    for (int i = 0; i < size; i += LANES) {
        Vector g = *(Vector *)(net->grads + i);
        squares += g * g;
    }
    const float norm = sqrtf(total(squares));
    const float factor = net->plan->clip / (norm + 1e-6f), clip = factor < 1 ? factor : 1;
    const float size_of_step = (float)(rate / (1 - pow(momentum, step + 1)));
    const float root = (float)sqrt(1 - pow(second, step + 1)), keep = 1 - rate * net->plan->weight_decay;
    for (int i = 0; i < size; i++) {
        const float g = net->grads[i] * clip;
        child->moment[i] += (1 - momentum) * (g - child->moment[i]);
        child->square[i] = second * child->square[i] + (1 - second) * g * g;
        child->flat[i] = child->flat[i] * keep - size_of_step * child->moment[i] / (sqrtf(child->square[i]) / root + epsilon);
    }
    return norm;
}

/* Train from step first to before step last; order is (steps, batch). Writes each step's loss and gradient norm, stops
   when the loss leaves the finite numbers, and returns the number of the step after the last one done. */
int train(const Plan *plan, const Tape *tape, Child *child, const float *inputs, const int *labels, const int *order,
          const float *rates, const float *momenta, int first, int last, float *losses, float *norms) {
    Net net;
    float betas[SITES][WIDEST];
    open_net(&net, plan, child, 1);
    for (int n = 0; n < SITES; n++) {
        memcpy(betas[n], net.sites[n].beta, sizeof(float) * (size_t)net.sites[n].channels);
    }
    int step = first;
    while (step < last) {
        const int *chosen = order + (size_t)step * (size_t)plan->batch;
        gather(&net, inputs, chosen, plan->batch);
        forward_net(&net, tape, 1);
        double sum = 0;
        for (int n = 0; n < plan->batch; n++) {
            int guess;
            sum += cross_entropy(&net, n, labels[chosen[n]], &guess);
            net.logits[((n / WIDE) * plan->classes + labels[chosen[n]]) * WIDE + n % WIDE] -= 1;
        }
        for (int i = 0; i < plan->classes * plan->batch; i++) {
            net.logits[i] /= (float)plan->batch;
        }
        backward_net(&net, tape);
        losses[step] = (float)(sum / plan->batch);
        norms[step] = update(&net, child, step, rates[step], momenta[step]);
        for (int n = 0; n < SITES && !tape->by_beta; n++) { /* a beta without a gradient does not decay, as in torch */
            memcpy((float *)net.sites[n].beta, betas[n], sizeof(float) * (size_t)net.sites[n].channels);
        }
        if (!isfinite(losses[step++])) {
            break;
        }
    }
    close_net(&net);
    return step;
}

/* Score count examples with the running statistics: the loss of each, and how many guesses are right. */
int score(const Plan *plan, const Tape *tape, Child *child, const float *inputs, const int *labels, int count,
          double *loss) {
    Net net;
    open_net(&net, plan, child, 0);
    int right = 0;
    *loss = 0;
    for (int start = 0; start < count; start += plan->batch) {
        int chosen[MOST_BATCH];
        const int many = count - start < plan->batch ? count - start : plan->batch;
        for (int n = 0; n < many; n++) {
            chosen[n] = start + n;
        }
        gather(&net, inputs, chosen, many);
        forward_net(&net, tape, 0);
        for (int n = 0; n < many; n++) {
            int guess;
            *loss += cross_entropy(&net, n, labels[start + n], &guess);
            right += guess == labels[start + n];
        }
    }
    close_net(&net);
    return right;
}

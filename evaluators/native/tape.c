/* Elementwise functions with their derivatives, a block at a time. Values as torch defines them; the tests hold each. */
#include "tape.h"

#include <math.h>
#include <string.h>

#if defined(__GNUC__) && !defined(__clang__) && defined(__x86_64__) && defined(__GLIBC__)
#if __GLIBC_PREREQ(2, 35) /* libmvec has these in vector form */
#define VECTOR __attribute__((simd("notinbranch")))
VECTOR float expf(float);
VECTOR float logf(float);
VECTOR float sinf(float);
VECTOR float cosf(float);
VECTOR float tanhf(float);
VECTOR float sinhf(float);
VECTOR float coshf(float);
VECTOR float atanf(float);
VECTOR float erff(float);
VECTOR float erfcf(float);
VECTOR float log1pf(float);
VECTOR float expm1f(float);
VECTOR float powf(float, float);
#endif
#endif

#define AS_NUMBER(name) name,
enum { OPERATIONS(AS_NUMBER) };

#define EACH(expression)                \
    for (int i = 0; i < BLOCK; i++) {   \
        v[i] = (expression);            \
    }                                   \
    break

static void evaluate_step(const Instruction *step, Register *r, float *v) {
    const float *a = r[step->a], *b = r[step->b], *c = r[step->c];
    const float k = step->k, l = step->l;
    switch (step->op) {
    case CONSTANT: EACH(k);
    case COPY: EACH(a[i]);
    case ADD: EACH(a[i] + b[i]);
    case SUB: EACH(a[i] - b[i]);
    case MUL: EACH(a[i] * b[i]);
    case DIV: EACH(a[i] / b[i]);
    case NEG: EACH(-a[i]);
    case ABS: EACH(fabsf(a[i]));
    case SQRT: EACH(sqrtf(a[i]));
    case EXP: EACH(expf(a[i]));
    case LOG: EACH(logf(a[i]));
    case LOG1P: EACH(log1pf(a[i]));
    case EXPM1: EACH(expm1f(a[i]));
    case SIN: EACH(sinf(a[i]));
    case COS: EACH(cosf(a[i]));
    case SINH: EACH(sinhf(a[i]));
    case COSH: EACH(coshf(a[i]));
    case TANH: EACH(tanhf(a[i]));
    case ATAN: EACH(atanf(a[i]));
    case ERF: EACH(erff(a[i]));
    case ERFC: EACH(erfcf(a[i]));
    case SIGMOID: EACH(1 / (1 + expf(-a[i])));
    case SOFTPLUS: EACH(a[i] > k ? a[i] : log1pf(expf(a[i] > k ? k : a[i])));
    case RELU: EACH(a[i] <= 0 ? 0 : a[i]);
    case THRESHOLD: EACH(a[i] <= k ? l : a[i]);
    case SLOPED: EACH(a[i] > 0 ? a[i] : k * a[i]);
    case ELU: EACH(a[i] > 0 ? k * a[i] : l * expm1f(a[i] > 0 ? 0 : a[i]));
    case CLIP: EACH(a[i] < k ? k : a[i] > l ? l : a[i]);
    case COPYSIGN: EACH(copysignf(a[i], b[i]));
    case LESS: EACH(a[i] < b[i] ? 1.0f : 0.0f);
    case LERP: EACH(c[i] < 0.5f ? a[i] + c[i] * (b[i] - a[i]) : b[i] - (b[i] - a[i]) * (1 - c[i]));
    case POW: EACH(powf(a[i], b[i]));
    }
}

#define INTO(how, target, expression)                              \
    if ((how) == 1) {                                              \
        for (int i = 0; i < BLOCK; i++) target[i] = g[i] * (expression); \
    } else if ((how) == 2) {                                       \
        for (int i = 0; i < BLOCK; i++) target[i] += g[i] * (expression); \
    }
#define ONLY(slope) INTO(step->to_a, da, slope) break
#define BOTH(first, second) INTO(step->to_a, da, first) INTO(step->to_b, db, second) break

/* Carry the gradient g of the instruction's value v to those of its arguments. */
static void derive_step(const Instruction *step, Register *r, const float *v, const float *g, Register *grads) {
    const float *a = r[step->a], *b = r[step->b], *c = r[step->c];
    float *da = grads[step->a], *db = grads[step->b];
    const float k = step->k, l = step->l;
    switch (step->op) {
    case ADD: BOTH(1, 1);
    case SUB: BOTH(1, -1);
    case MUL: BOTH(b[i], a[i]);
    case DIV: BOTH(1 / b[i], -v[i] / b[i]);
    case NEG: ONLY(-1);
    case ABS: ONLY(a[i] > 0 ? 1.0f : a[i] < 0 ? -1.0f : 0.0f);
    case SQRT: ONLY(0.5f / v[i]);
    case EXP: ONLY(v[i]);
    case LOG: ONLY(1 / a[i]);
    case LOG1P: ONLY(1 / (1 + a[i]));
    case EXPM1: ONLY(v[i] + 1);
    case SIN: ONLY(cosf(a[i]));
    case COS: ONLY(-sinf(a[i]));
    case SINH: ONLY(coshf(a[i]));
    case COSH: ONLY(sinhf(a[i]));
    case TANH: ONLY(1 - v[i] * v[i]);
    case ATAN: ONLY(1 / (1 + a[i] * a[i]));
    case ERF: ONLY(1.1283791670955126f * expf(-a[i] * a[i]));
    case ERFC: ONLY(-1.1283791670955126f * expf(-a[i] * a[i]));
    case SIGMOID: ONLY(v[i] * (1 - v[i]));
    case SOFTPLUS: ONLY(a[i] > k ? 1 : 1 / (1 + expf(-a[i])));
    case RELU: ONLY(a[i] <= 0 ? 0.0f : 1.0f);
    case THRESHOLD: ONLY(a[i] <= k ? 0.0f : 1.0f);
    case SLOPED: ONLY(a[i] > 0 ? 1.0f : k);
    case ELU: ONLY(a[i] > 0 ? k : v[i] + l);
    case CLIP: ONLY(a[i] > k && a[i] < l ? 1.0f : 0.0f);
    case COPYSIGN: ONLY(a[i] == 0 ? 0.0f : (a[i] < 0) == (copysignf(1.0f, b[i]) < 0) ? 1.0f : -1.0f);
    case LERP: BOTH(1 - c[i], c[i]);
    case POW: BOTH(b[i] * powf(a[i], b[i] - 1), v[i] * logf(a[i]));
    }
}

void run_tape(const Tape *tape, Work *work, float *y, float *dx, float *db) {
    Register *values = work->values, *grads = work->grads;
    for (int i = 0; i < tape->length; i++) {
        evaluate_step(&tape->code[i], values, values[i + 2]);
    }
    memcpy(y, values[tape->result], sizeof(Register));
    if (!dx) {
        return;
    }
    for (int i = 0; i < BLOCK; i++) {
        grads[tape->result][i] = 1;
    }
    for (int i = tape->length - 1; i >= 0; i--) {
        if (tape->code[i].to_a || tape->code[i].to_b) {
            derive_step(&tape->code[i], values, values[i + 2], grads[i + 2], grads);
        }
    }
    if (tape->by_x) {
        memcpy(dx, grads[0], sizeof(Register));
    } else {
        memset(dx, 0, sizeof(Register));
    }
    if (db) {
        memcpy(db, grads[1], sizeof(Register));
    }
}

/* An activation as a tape of elementwise operations; tape.py writes it. */
#ifndef ACTSEARCH_TAPE_H
#define ACTSEARCH_TAPE_H

#define BLOCK 256   /* elements that are worked on at a time: a register is 1 kB, a tape stays in the first cache */
#define REGISTERS 64 /* most values of a tape, x and beta among them */

/* Every operation, in the order of its number; layout.py knows the same, and layout.c tells whether it does. */
#define OPERATIONS(X) \
    X(CONSTANT) X(COPY) X(ADD) X(SUB) X(MUL) X(DIV) X(NEG) X(ABS) X(SQRT) X(EXP) X(LOG) X(LOG1P) X(EXPM1) \
    X(SIN) X(COS) X(SINH) X(COSH) X(TANH) X(ATAN) X(ERF) X(ERFC) X(SIGMOID) X(SOFTPLUS) X(RELU) X(THRESHOLD) \
    X(SLOPED) X(ELU) X(CLIP) X(COPYSIGN) X(LESS) X(LERP) X(POW)

typedef struct {
    int op, a, b, c;  /* what, and the registers of its arguments */
    int to_a, to_b;   /* what becomes of the gradients of a and b: 0 nothing, 1 this is its first part, 2 it is added */
    float k, l;       /* constants of the operation */
} Instruction;

typedef struct {
    int length;   /* instructions; the one at place i writes register i + 2; registers 0 and 1 are x and beta */
    int result;   /* register of f(x, beta) */
    int by_x, by_beta; /* whether the result has a gradient for them */
    const Instruction *code;
} Tape;

typedef float Register[BLOCK] __attribute__((aligned(64)));

typedef struct {
    Register values[REGISTERS], grads[REGISTERS];
} Work;

/* Evaluate one block whose x and beta are the first two values: y = f(x, beta); with dx also df/dx, with db also
   df/dbeta (null where not wanted). */
void run_tape(const Tape *tape, Work *work, float *y, float *dx, float *db);

#endif

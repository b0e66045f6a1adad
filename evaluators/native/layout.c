/* What Python and C must agree on: layout.py holds the same, and compares when the library is loaded. */
#include "resnet1d.h"

#define AS_TEXT(name) #name " "

const char *operations(void) {
    return OPERATIONS(AS_TEXT);
}

/* Sizes and places of the structures, then the limits; ends with -1. */
const int *layout(void) {
    static const int found[] = {
        sizeof(Instruction), offsetof(Instruction, k), sizeof(Tape), offsetof(Tape, code), sizeof(Plan),
        offsetof(Plan, places), offsetof(Plan, size), sizeof(Child), offsetof(Child, running), BLOCK, REGISTERS, STAGES,
        WIDEST, WIDE, MOST_BATCH, -1,
    };
    return found;
}

/* Computes an exported header's numbers: arguments on stdin, numbers on stdout, in both precisions. */
#include <stdio.h>
#include HEADER

#define DOUBLE(f) printf("%a ", f(DOUBLES));
#define SINGLE(f) printf("%a ", (double)f(SINGLES));

int main(void) {
    double v[COUNT];
    for (;;) {
        for (int i = 0; i < COUNT; i++)
            if (scanf("%la", &v[i]) != 1) return 0;
        EACH
        printf("\n");
    }
}

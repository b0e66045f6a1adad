/* Computes an exported header's numbers: points on stdin (x, beta), numbers on stdout, in both precisions. */
#include <stdio.h>
#include HEADER

#ifdef HAS_BETA
#define WITH(f, x, b) f(x, b)
#else
#define WITH(f, x, b) f(x)
#endif

int main(void) {
    double x, beta;
    while (scanf("%la %la", &x, &beta) == 2) {
        printf("%a %a %a %a", WITH(NAME, x, beta), WITH(SLOPE, x, beta), (double)WITH(NAMEF, (float)x, (float)beta),
               (double)WITH(SLOPEF, (float)x, (float)beta));
#ifdef HAS_BETA
        printf(" %a %a", OF_BETA(x, beta), (double)OF_BETAF((float)x, (float)beta));
#endif
        printf("\n");
    }
    return 0;
}

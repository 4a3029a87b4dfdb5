/* Preloaded last into a lua5.4 that runs specs with a sanitizer: what that Lua starts must not inherit the sanitizer's
 * runtime. curl, for one, hangs with it. */
#include <stdlib.h>

__attribute__((constructor)) static void forget_preload(void) {
    unsetenv("LD_PRELOAD");
}

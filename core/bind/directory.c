#include "bind/directory.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#ifndef SIPHON_LUADIR
#define SIPHON_LUADIR "/usr/local/share/lua/5.4"
#endif

#define DEPTH 4 /* build/asan/lib/libsiphon.so is that far below the tree */

void sph_lua_directory(const char *binary, char directory[PATH_MAX]) {
    char self[PATH_MAX], file[PATH_MAX + 32];
    snprintf(self, sizeof self, "%s", binary);
    for (int up = 1; up <= DEPTH; up++) {
        char *slash = strrchr(self, '/');
        if (!slash)
            break;
        *slash = '\0';
        snprintf(file, sizeof file, "%s/lua/siphon/init.lua", self);
        if (up > 1 && access(file, R_OK) == 0) {
            snprintf(directory, PATH_MAX, "%.4000s/lua", self);
            return;
        }
    }
    snprintf(directory, PATH_MAX, "%s", SIPHON_LUADIR);
}

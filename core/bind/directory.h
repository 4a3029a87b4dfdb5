/* Where the Lua half of siphon is: for the command and for libsiphon. */
#ifndef SPH_DIRECTORY_H
#define SPH_DIRECTORY_H

#include <limits.h>

/* The tree's own lua/ when `binary` lies in its build/ (or deeper: a library, a sanitized build), else where `make
 * install` put it. */
void sph_lua_directory(const char *binary, char directory[PATH_MAX]);

#endif

/* siphon.core.system: what Lua cannot ask of a terminal and a process. */
#include "bind/bind.h"

#include "engine/fault.h"

#include <lauxlib.h>

#include <errno.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/statvfs.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int descriptor(lua_State *L) {
    lua_Integer fd = luaL_optinteger(L, 1, STDERR_FILENO);
    luaL_argcheck(L, fd >= 0 && fd <= INT_MAX, 1, "a file descriptor");
    return (int)fd;
}

/*** system.isatty(fd = 2) -> boolean */
static int l_system_isatty(lua_State *L) {
    lua_pushboolean(L, isatty(descriptor(L)));
    return 1;
}

/*** system.width(fd = 2) -> columns | nil
 * Of the window as it is now; nil when it is not a system. */
static int l_system_width(lua_State *L) {
    struct winsize size;
    if (ioctl(descriptor(L), TIOCGWINSZ, &size) < 0 || size.ws_col == 0)
        lua_pushnil(L);
    else
        lua_pushinteger(L, size.ws_col);
    return 1;
}

/*** system.utf8() -> boolean
 * Whether the locale of the environment writes UTF-8. */
static int l_system_utf8(lua_State *L) {
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    lua_pushboolean(L, locale && strcmp(nl_langinfo_l(CODESET, locale), "UTF-8") == 0);
    if (locale)
        freelocale(locale);
    return 1;
}

/*** system.pid() -> integer */
static int l_system_pid(lua_State *L) {
    lua_pushinteger(L, getpid());
    return 1;
}

/*** system.hostname() -> string */
static int l_system_hostname(lua_State *L) {
    char name[HOST_NAME_MAX + 1] = "localhost";
    gethostname(name, sizeof name - 1);
    lua_pushstring(L, name);
    return 1;
}

/*** system.user() -> string
 * The name of the user that the process runs as, or its number when it has no name. */
static int l_system_user(lua_State *L) {
    struct passwd entry, *found = NULL;
    char buffer[4096];
    if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
        lua_pushstring(L, found->pw_name);
    else
        lua_pushfstring(L, "%d", (int)geteuid());
    return 1;
}

/*** system.fault_step(name)
 * The points at which a fault may be asked for (SIPHON_FAULT, core/engine/fault.h) belong to this step from now on. */
static int l_system_fault_step(lua_State *L) {
    sph_fault_step(luaL_checkstring(L, 1));
    return 0;
}

/*** system.time() -> seconds
 * Since 1970, with fractions. */
static int l_system_time(lua_State *L) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    lua_pushnumber(L, (double)t.tv_sec + (double)t.tv_nsec / 1e9);
    return 1;
}

/*** system.random(n) -> string
 * n bytes (at most 256) from the kernel's generator, for ids. */
static int l_system_random(lua_State *L) {
    unsigned char bytes[256];
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n > 0 && n <= (lua_Integer)sizeof bytes, 1, "1 to 256 bytes");
    if (getentropy(bytes, (size_t)n) < 0)
        return luaL_error(L, "no random bytes: %s", strerror(errno));
    lua_pushlstring(L, (const char *)bytes, (size_t)n);
    return 1;
}

/*** system.free_space(path) -> bytes | nil, message
 * What an ordinary user may still write to the file system that holds the path. */
static int l_system_free_space(lua_State *L) {
    struct statvfs fs;
    const char *path = luaL_checkstring(L, 1);
    if (statvfs(path, &fs) < 0) {
        lua_pushnil(L);
        lua_pushfstring(L, "%s: %s", path, strerror(errno));
        return 2;
    }
    lua_pushinteger(L, (lua_Integer)fs.f_bavail * (lua_Integer)fs.f_frsize);
    return 1;
}

/*** system.tell_service(text) -> boolean
 * Tells the service manager that started this process ("READY=1", "STATUS=...", see sd_notify(3)): a datagram to the
 * socket that NOTIFY_SOCKET names. False when there is none, or when nobody listens there. */
static int l_system_tell_service(lua_State *L) {
    size_t length;
    const char *text = luaL_checklstring(L, 1, &length);
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t size = path ? strlen(path) : 0;
    bool sent = false;
    int fd = -1;
    if (size > 1 && size < sizeof address.sun_path && (*path == '/' || *path == '@'))
        fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        memcpy(address.sun_path, path, size);
        if (*path == '@') /* a name that is in no file system */
            address.sun_path[0] = '\0';
        socklen_t whole = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + size);
        sent = sendto(fd, text, length, MSG_NOSIGNAL, (struct sockaddr *)&address, whole) == (ssize_t)length;
        close(fd);
    }
    lua_pushboolean(L, sent);
    return 1;
}

int sph_open_system(lua_State *L) {
    static const luaL_Reg functions[] = {{"isatty", l_system_isatty},
                                         {"width", l_system_width},
                                         {"utf8", l_system_utf8},
                                         {"pid", l_system_pid},
                                         {"hostname", l_system_hostname},
                                         {"time", l_system_time},
                                         {"random", l_system_random},
                                         {"free_space", l_system_free_space},
                                         {"user", l_system_user},
                                         {"fault_step", l_system_fault_step},
                                         {"tell_service", l_system_tell_service},
                                         {NULL, NULL}};
    luaL_newlib(L, functions);
    return 1;
}

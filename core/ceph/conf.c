/* The configuration of a connection, found as the ceph tools find it. */
#include "ceph/conf.h"

#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- what CEPH_ARGS decides before there is a handle ---------------------------------------------------- */

/* librados reads CEPH_ARGS too late for the user and the file: those two are arguments of rados_create2 and
 * rados_conf_read_file. The tools have ceph_argparse_early_args for that; this is its part for clients. */
typedef struct {
    char text[4096]; /* CEPH_ARGS, cut into words */
    const char *conf, *cluster, *name, *id;
} early_args;

/* The value of option `name` when `word` is that option: in the word itself after "=", or the next word. */
static const char *value_of(const char *word, const char *name, char **rest) {
    size_t length = strlen(name);
    if (strncmp(word, name, length) != 0)
        return NULL;
    if (word[length] == '=')
        return word + length + 1;
    return word[length] == '\0' ? strtok_r(NULL, " ", rest) : NULL;
}

static void read_early_args(early_args *early) {
    memset(early, 0, sizeof *early);
    const char *args = getenv("CEPH_ARGS");
    if (!args)
        return;
    snprintf(early->text, sizeof early->text, "%s", args);
    const struct {
        const char *name;
        const char **value;
    } known[] = {{"--conf", &early->conf}, {"-c", &early->conf},   {"--cluster", &early->cluster},
                 {"--id", &early->id},     {"--user", &early->id}, {"--name", &early->name},
                 {"-n", &early->name}};
    char *rest = NULL;
    for (char *word = strtok_r(early->text, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (strcmp(word, "--") == 0)
            return;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
            const char *value = value_of(word, known[i].name, &rest);
            if (value) {
                *known[i].value = value;
                break;
            }
        }
    }
}

/* --- the handle ----------------------------------------------------------------------------------------- */

static int set(sph_op *op, rados_t rados, const char *option, const char *value) {
    int rc = rados_conf_set(rados, option, value);
    if (rc == -ENOENT)
        return sph_ceph_fail(op, "rados.conf", ENOENT, &(sph_place){0}, "there is no Ceph option \"%s\"",
                             option);
    if (rc < 0)
        return sph_ceph_fail(op, "rados.conf", -rc, &(sph_place){0},
                             "\"%s\" is no value for the Ceph option %s", value, option);
    return rc;
}

/* Seconds as Ceph's options take them: whole ones, and 0 stands for "for ever". */
static int set_seconds(sph_op *op, rados_t rados, const char *option, double seconds) {
    char text[32];
    snprintf(text, sizeof text, "%.0f", ceil(seconds));
    return set(op, rados, option, text);
}

static int make_name(sph_op *op, sph_cluster *cluster, const sph_connect_options *options,
                     const early_args *early) {
    const char *name = options->name, *id = options->id;
    if (!name && !id) {
        name = early->name;
        id = early->id;
    }
    char text[256];
    if (name)
        snprintf(text, sizeof text, "%s", name);
    else
        snprintf(text, sizeof text, "client.%s", id ? id : "admin");
    cluster->name = sph_strdup(text);
    return cluster->name ? 0 : sph_ceph_no_memory(op);
}

/* A file that was named must be there: librados says ENOENT, but not of what. Without a name it looks at the
 * usual places, and finding none is an error only if nothing else tells where the monitors are. */
static int read_file(sph_op *op, rados_t rados, const char *conf) {
    const char *named = conf ? conf : getenv("CEPH_CONF");
    const char *from = conf ? "conf" : "CEPH_CONF";
    int rc = rados_conf_read_file(rados, conf);
    if (rc == -ENOENT && !named)
        return 0;
    if (rc < 0 && named && access(named, R_OK) < 0)
        return sph_ceph_fail(op, "rados.conf", errno, &(sph_place){0},
                             "cannot read the configuration file %s: %s; %s names it", named, strerror(errno),
                             from);
    if (rc < 0)
        return sph_ceph_fail(op, "rados.conf", -rc, &(sph_place){0}, "the configuration file %s is malformed",
                             named ? named : "in /etc/ceph");
    return 0;
}

static bool is_set(rados_t rados, const char *option) {
    char value[4096];
    int rc = rados_conf_get(rados, option, value, sizeof value);
    return rc == -ENAMETOOLONG || (rc >= 0 && *value);
}

int sph_conf_apply(sph_op *op, sph_cluster *cluster, const sph_connect_options *options) {
    early_args *early = sph_alloc(sizeof *early);
    if (!early)
        return sph_ceph_no_memory(op);
    read_early_args(early);
    int rc = make_name(op, cluster, options, early);
    if (rc < 0)
        goto out;

    const char *cluster_name = options->cluster ? options->cluster : early->cluster;
    rc = rados_create2(&cluster->rados, cluster_name, cluster->name, 0);
    if (rc < 0) {
        cluster->rados = NULL;
        sph_ceph_fail(op, "rados.conf", -rc, &(sph_place){0},
                      "\"%s\" is no Ceph user; they look like client.siphon", cluster->name);
        goto out;
    }
    rados_t rados = cluster->rados;
    rc = read_file(op, rados, options->conf ? options->conf : early->conf);
    if (rc < 0)
        goto out;
    rc = rados_conf_parse_env(rados, NULL);
    if (rc < 0) {
        sph_ceph_fail(op, "rados.conf", -rc, &(sph_place){0}, "CEPH_ARGS is malformed");
        goto out;
    }

    /* A library does not write to its host's terminal. The cache would only cost memory and a copy: what we
     * read we read once, what we write we flush. */
    const char *fixed[][2] = {{"log_to_stderr", "false"}, {"err_to_stderr", "false"}, {"rbd_cache", "false"}};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed && rc >= 0; i++)
        rc = set(op, rados, fixed[i][0], fixed[i][1]);
    if (rc >= 0 && options->keyring)
        rc = set(op, rados, "keyring", options->keyring);
    if (rc >= 0 && options->mon_host)
        rc = set(op, rados, "mon_host", options->mon_host);
    if (rc >= 0)
        rc = set_seconds(op, rados, "client_mount_timeout", options->timeout);
    if (rc >= 0)
        rc = set_seconds(op, rados, "rados_mon_op_timeout", options->timeout);
    if (rc >= 0 && options->op_timeout > 0)
        rc = set_seconds(op, rados, "rados_osd_op_timeout", options->op_timeout);
    for (const char **o = options->options; o && *o && rc >= 0; o += 2)
        rc = set(op, rados, o[0], o[1]);

    if (rc >= 0 && !is_set(rados, "mon_host"))
        rc = sph_ceph_fail(op, "rados.conf", ENOENT, &(sph_place){0},
                           "no monitor is known: set mon_host in /etc/ceph/ceph.conf, name another file with "
                           "CEPH_CONF or conf, or give mon_host");
out:
    sph_free(early);
    return rc < 0 ? rc : 0;
}

/* --- what went wrong ------------------------------------------------------------------------------------ */

/* Whether one of the files in the list can be read. */
static bool any_readable(const char *list) {
    char copy[4096], *rest = NULL;
    snprintf(copy, sizeof copy, "%s", list);
    for (char *file = strtok_r(copy, ",; ", &rest); file; file = strtok_r(NULL, ",; ", &rest))
        if (access(file, R_OK) == 0)
            return true;
    return false;
}

void sph_conf_explain(sph_op *op, sph_cluster *cluster, const sph_connect_options *options, int rc) {
    char mons[512] = "", keyring[4096] = "";
    rados_conf_get(cluster->rados, "mon_host", mons, sizeof mons);
    rados_conf_get(cluster->rados, "keyring", keyring, sizeof keyring);
    size_t length = strlen(keyring);
    if (length && keyring[length - 1] == ',')
        keyring[length - 1] = '\0';
    bool has_key =
        is_set(cluster->rados, "key") || is_set(cluster->rados, "keyfile") || any_readable(keyring);
    const sph_place nowhere = {0};

    if (rc == -ETIMEDOUT)
        sph_ceph_fail(
            op, "rados.unreachable", ETIMEDOUT, &nowhere,
            "no monitor at %s answered within %.0f s; check mon_host, the network and `ceph status`", mons,
            ceil(options->timeout));
    else if (!has_key)
        sph_ceph_fail(
            op, "rados.conf", ENOENT, &nowhere,
            "no keyring for %s: looked for %.300s; give keyring or CEPH_KEYRING, or another user (id)",
            cluster->name, keyring);
    else if (rc == -EPERM || rc == -EACCES)
        sph_ceph_fail(
            op, "rados.auth", -rc, &nowhere,
            "the monitors refuse %s: there is no such user, or its key in %.300s is not the cluster's "
            "(ceph auth get %s)",
            cluster->name, keyring, cluster->name);
    else if (rc == -EIO)
        sph_ceph_fail(op, "rados.auth", EIO, &nowhere, "the keyring of %s, %.300s, is malformed",
                      cluster->name, keyring);
    else if (rc == -EINVAL || rc == -ENOENT)
        sph_ceph_fail(op, "rados.conf", -rc, &nowhere, "mon_host is \"%s\", where no monitor can be found",
                      mons);
    else
        sph_ceph_check(op, rc, &nowhere, NULL, "cannot connect to %s as %s", mons, cluster->name);
}

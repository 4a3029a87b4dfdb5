#include "ceph/release.h"

#include "ceph/command.h"
#include "ceph/fail.h"
#include "engine/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sph_release_parse(const char *text, sph_release *release) {
    memset(release, 0, sizeof *release);
    const char *from = strstr(text, "ceph version ");
    if (!from)
        return false;
    /* Distributions append to the number: "16.2.15-1ubuntu0", "20.3.0-12-gdeadbeef". */
    if (sscanf(from, "ceph version %47s (%*[^)]) %31s", release->version, release->name) < 2 &&
        sscanf(from, "ceph version %47s", release->version) < 1)
        return false;
    release->number = (int)strtol(release->version, NULL, 10);
    return release->number > 0;
}

void sph_release_ask(sph_op *op) {
    sph_release_op *self = (sph_release_op *)op;
    const sph_place place = {.cluster = self->cluster};
    char *answer, status[200];
    int rc = sph_command_ask(self->cluster, "{\"prefix\": \"version\"}", &answer, status, sizeof status);
    if (sph_ceph_check(op, rc, &place, NULL, "cannot ask for the release") < 0)
        return;
    if (!sph_release_parse(answer, &self->release))
        sph_ceph_fail(op, "rados.answer", 0, &place, "the monitor names its release in an unknown way");
    sph_free(answer);
    int8_t osd;
    if (rados_get_min_compatible_osd(self->cluster->rados, &osd) >= 0)
        self->release.osd = (uint8_t)osd;
}

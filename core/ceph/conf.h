/* The configuration of a connection, found as the ceph tools find it: CEPH_ARGS, CEPH_CONF, CEPH_KEYRING, the
 * configuration file, and what the caller asks for on top.
 *
 * Thread: workers; the environment is read, never written. */
#ifndef SPH_CEPH_CONF_H
#define SPH_CEPH_CONF_H

#include "ceph/cluster.h"

/* Makes cluster->rados, configured and not connected, and cluster->name. Returns 0, or a negative errno after
 * op failed with code "rados.conf". */
int sph_conf_apply(sph_op *op, sph_cluster *cluster, const sph_connect_options *options);

/* The connection failed with rc: finds out why, and lets op fail with code "rados.unreachable", "rados.auth"
 * or "rados.conf" and what to do. */
void sph_conf_explain(sph_op *op, sph_cluster *cluster, const sph_connect_options *options, int rc);

#endif

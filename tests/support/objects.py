#!/usr/bin/python3
"""Prints "POOL NAMESPACE OBJECT", tabs between, of every object in the bed's cluster that exists. RADOS also lists those of
which only clones, or a mark that they are gone, are left after their snapshots were removed."""

import os

import rados

with rados.Rados(conffile=os.environ["TESTBED_ADMIN_CONF"], name="client.admin") as cluster:
    for pool in sorted(cluster.list_pools()):
        with cluster.open_ioctx(pool) as io:
            io.set_namespace(rados.LIBRADOS_ALL_NSPACES)
            for namespace, name in sorted((found.nspace, found.key) for found in io.list_objects()):
                io.set_namespace(namespace)
                try:
                    io.stat(name)
                except rados.ObjectNotFound:
                    continue
                print(pool, namespace, name, sep="\t")

/* siphon: turns Ceph RBD volumes into Glance images inside the cluster. */
#ifndef SIPHON_H
#define SIPHON_H

#define SIPHON_VERSION "0.1.0"
#define SIPHON_VERSION_NUM 0x000100

#endif

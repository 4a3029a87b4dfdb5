/* What changes an image as a whole: its size, parent, holes, features and object map.
 *
 * All but sph_image_update_features ask a progress callback of ours now and then whether to go on, so a
 * cancelled one ends soon and leaves the image usable: partly flattened (the parent stays), partly sparse,
 * the map marked invalid, or of its old size.
 *
 * Thread: workers. */
#ifndef SPH_CEPH_IMAGE_CHANGE_H
#define SPH_CEPH_IMAGE_CHANGE_H

#include "ceph/image.h"

void sph_image_flatten(sph_op *op);  /* of an sph_image_op, as are all of these */
void sph_image_sparsify(sph_op *op); /* length: runs of zeroes at least that long become holes */
void sph_image_rebuild_object_map(sph_op *op);
void sph_image_resize(sph_op *op);          /* length: the size; flag: it may become smaller */
void sph_image_update_features(sph_op *op); /* offset: bits to turn on; length: bits to turn off */

#endif

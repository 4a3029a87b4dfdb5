/* The hashes that Glance keeps of an image's data, in one pass over the bytes: MD5 (its `checksum`) and one of SHA-2
 * (its `os_hash_value`).
 *
 * Thread: one at a time. */
#ifndef SPH_CEPH_DIGEST_H
#define SPH_CEPH_DIGEST_H

#include <openssl/evp.h>

#include <stddef.h>
#include <stdint.h>

#define SPH_DIGEST_HEX (2 * EVP_MAX_MD_SIZE + 1)

typedef struct {
    const char *algorithm; /* "sha256" or "sha512" */
    EVP_MD_CTX *checksum, *value;
    uint64_t length;
} sph_digest;

/* The names that sph_digest_new takes; NULL ends them. */
extern const char *const sph_digest_algorithms[];

/* NULL when memory is out, or when this libcrypto has one of the two closed (as in FIPS mode). */
sph_digest *sph_digest_new(const char *algorithm);
void sph_digest_free(sph_digest *digest);

void sph_digest_add(sph_digest *digest, const void *bytes, size_t size);
void sph_digest_add_zeroes(sph_digest *digest, size_t size);
/* Forgets the bytes so far. */
void sph_digest_restart(sph_digest *digest);
/* In lower-case hexadecimal; more bytes may follow. */
void sph_digest_read(const sph_digest *digest, char checksum[SPH_DIGEST_HEX], char value[SPH_DIGEST_HEX]);

#endif

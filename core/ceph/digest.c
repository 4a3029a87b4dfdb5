/* MD5 and SHA-2 of the same bytes, by libcrypto. */
#include "ceph/digest.h"

#include "engine/memory.h"

#include <string.h>

/* What is added at once: small enough to stay in the processor's cache from one hash to the other. */
#define STEP ((size_t)64 << 10)

const char *const sph_digest_algorithms[] = {"sha256", "sha512", NULL};

/* MD5 is no protection here, and Glance's schema wants it: so a FIPS mode need not mind. */
static EVP_MD_CTX *begin(const char *name, const char *properties) {
    EVP_MD *type = EVP_MD_fetch(NULL, name, properties);
    EVP_MD_CTX *context = type ? EVP_MD_CTX_new() : NULL;
    if (context && !EVP_DigestInit_ex2(context, type, NULL)) {
        EVP_MD_CTX_free(context);
        context = NULL;
    }
    EVP_MD_free(type); /* the context has a reference of its own */
    return context;
}

sph_digest *sph_digest_new(const char *algorithm) {
    sph_digest *digest = sph_alloc(sizeof *digest);
    if (!digest)
        return NULL;
    digest->algorithm = algorithm;
    digest->checksum = begin("MD5", "-fips");
    digest->value = begin(algorithm, NULL);
    if (digest->checksum && digest->value)
        return digest;
    sph_digest_free(digest);
    return NULL;
}

void sph_digest_free(sph_digest *digest) {
    if (!digest)
        return;
    EVP_MD_CTX_free(digest->checksum);
    EVP_MD_CTX_free(digest->value);
    sph_free(digest);
}

void sph_digest_add(sph_digest *digest, const void *bytes, size_t size) {
    const char *from = bytes;
    while (size) {
        size_t step = size < STEP ? size : STEP;
        EVP_DigestUpdate(digest->checksum, from, step);
        EVP_DigestUpdate(digest->value, from, step);
        digest->length += step;
        from += step;
        size -= step;
    }
}

void sph_digest_add_zeroes(sph_digest *digest, size_t size) {
    static const char zeroes[STEP];
    while (size) {
        size_t step = size < STEP ? size : STEP;
        sph_digest_add(digest, zeroes, step);
        size -= step;
    }
}

void sph_digest_restart(sph_digest *digest) {
    EVP_DigestInit_ex2(digest->checksum, NULL, NULL);
    EVP_DigestInit_ex2(digest->value, NULL, NULL);
    digest->length = 0;
}

static void read_one(const EVP_MD_CTX *context, char hex[SPH_DIGEST_HEX]) {
    static const char digits[] = "0123456789abcdef";
    unsigned char bytes[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    EVP_MD_CTX *copy = EVP_MD_CTX_new();
    if (!copy || !EVP_MD_CTX_copy_ex(copy, context) || !EVP_DigestFinal_ex(copy, bytes, &size))
        size = 0; /* memory is out: an empty hash equals none */
    EVP_MD_CTX_free(copy);
    for (unsigned i = 0; i < size; i++) {
        *hex++ = digits[bytes[i] >> 4];
        *hex++ = digits[bytes[i] & 15];
    }
    *hex = '\0';
}

void sph_digest_read(const sph_digest *digest, char checksum[SPH_DIGEST_HEX], char value[SPH_DIGEST_HEX]) {
    read_one(digest->checksum, checksum);
    read_one(digest->value, value);
}

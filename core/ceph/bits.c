/* A set of object numbers, most of which are absent or come in long runs. */
#include "ceph/bits.h"

#include "engine/memory.h"

#include <errno.h>

#define PAGE 32768U
#define WORDS (PAGE / 64)

/* Stands for a page that holds all of its numbers. */
static uint64_t full[1];

int sph_bits_make(sph_bits *bits, uint64_t size) {
    size_t pages = (size_t)(size / PAGE + 1);
    *bits = (sph_bits){.size = size};
    bits->pages = sph_alloc(pages * sizeof *bits->pages);
    bits->filled = sph_alloc(pages * sizeof *bits->filled);
    if (bits->pages && bits->filled)
        return 0;
    sph_bits_free(bits);
    return -ENOMEM;
}

void sph_bits_free(sph_bits *bits) {
    for (uint64_t p = 0; bits->pages && p <= bits->size / PAGE; p++)
        if (bits->pages[p] != full)
            sph_free(bits->pages[p]);
    sph_free(bits->pages);
    sph_free(bits->filled);
    *bits = (sph_bits){0};
}

static int add_to_page(sph_bits *bits, uint64_t p, unsigned from, unsigned to) {
    if (bits->pages[p] == full)
        return 0;
    if (to - from == PAGE) {
        bits->members += PAGE - bits->filled[p];
        sph_free(bits->pages[p]);
        bits->pages[p] = full;
        return 0;
    }
    if (!bits->pages[p] && !(bits->pages[p] = sph_alloc(WORDS * sizeof(uint64_t))))
        return -ENOMEM;
    for (unsigned n = from; n < to; n++) {
        uint64_t *word = &bits->pages[p][n / 64], bit = (uint64_t)1 << (n % 64);
        if (*word & bit)
            continue;
        *word |= bit;
        bits->filled[p]++;
        bits->members++;
    }
    if (bits->filled[p] == PAGE) {
        sph_free(bits->pages[p]);
        bits->pages[p] = full;
    }
    return 0;
}

int sph_bits_add(sph_bits *bits, uint64_t from, uint64_t to) {
    int rc = 0;
    if (to > bits->size)
        to = bits->size;
    while (from < to && rc >= 0) {
        uint64_t p = from / PAGE, end = (p + 1) * PAGE < to ? (p + 1) * PAGE : to;
        rc = add_to_page(bits, p, (unsigned)(from - p * PAGE), (unsigned)(end - p * PAGE));
        from = end;
    }
    return rc;
}

bool sph_bits_has(const sph_bits *bits, uint64_t n) {
    if (n >= bits->size)
        return false;
    const uint64_t *page = bits->pages[n / PAGE];
    return page == full || (page && page[n % PAGE / 64] >> (n % 64) & 1);
}

/* Of the word that holds n: the numbers that are wanted, as bits. */
static uint64_t wanted_in_word(const sph_bits *bits, uint64_t n, bool member) {
    uint64_t word = bits->pages[n / PAGE][n % PAGE / 64];
    return (member ? word : ~word) & ~(uint64_t)0 << (n % 64);
}

static uint64_t find(const sph_bits *bits, uint64_t from, uint64_t to, bool member) {
    if (to > bits->size)
        to = bits->size;
    while (from < to) {
        const uint64_t *page = bits->pages[from / PAGE];
        if (!page || page == full) {
            if ((page == full) == member)
                return from;
            from = (from / PAGE + 1) * PAGE;
            continue;
        }
        uint64_t word = wanted_in_word(bits, from, member);
        if (word) {
            from = from / 64 * 64 + (unsigned)__builtin_ctzll(word);
            return from < to ? from : to;
        }
        from = (from / 64 + 1) * 64;
    }
    return to;
}

uint64_t sph_bits_next(const sph_bits *bits, uint64_t from, uint64_t to) {
    return find(bits, from, to, true);
}

uint64_t sph_bits_next_absent(const sph_bits *bits, uint64_t from, uint64_t to) {
    return find(bits, from, to, false);
}

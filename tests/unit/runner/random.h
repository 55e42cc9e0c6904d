/* Numbers that look random and are the same in each run of a test. */
#ifndef TESTS_RANDOM_H
#define TESTS_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

static uint64_t random_state = 4711;

static inline void random_seed(uint64_t seed)
{
	random_state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
}

/* 0 … n-1; 0 if n is 0. */
static inline uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return n ? (uint32_t)(random_state >> 16) % n : 0;
}

static inline bool one_in(uint32_t n)
{
	return random_below(n) == 0;
}

#endif

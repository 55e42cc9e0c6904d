#include "dispatch/usual.h"

/* Small numbers are classes of their own; larger ones go by their highest bits. */
static unsigned class_of(uint64_t us)
{
	unsigned high;

	if (us < 1U << FF_USUAL_BITS)
		return (unsigned)us;
	high = 63U - (unsigned)__builtin_clzll(us) - FF_USUAL_BITS;
	return ((high + 1) << FF_USUAL_BITS) + (unsigned)(us >> high) - (1U << FF_USUAL_BITS);
}

/* The largest of its class. */
static int64_t last_of(unsigned class)
{
	unsigned high = class >> FF_USUAL_BITS;
	uint64_t low = class & ((1U << FF_USUAL_BITS) - 1);

	if (high == 0)
		return (int64_t)low;
	return (int64_t)(((low + (1U << FF_USUAL_BITS) + 1) << (high - 1)) - 1);
}

void ff_usual_add(struct ff_usual *usual, int64_t us)
{
	usual->classes[class_of(us > 0 ? (uint64_t)us : 0)]++;
	usual->len++;
}

int64_t ff_usual_median_us(const struct ff_usual *usual)
{
	uint32_t before = 0;

	for (unsigned i = 0; i < FF_USUAL_CLASSES; i++) {
		before += usual->classes[i];
		if (before > usual->len / 2)
			return last_of(i);
	}
	return 0;
}

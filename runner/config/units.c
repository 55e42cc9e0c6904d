/* Durations and sizes as people write them. */
#include "config/config.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *name;
	double factor;
};

/* Reads one "number unit" at *at, moves past it; negative if there is none. A bare number is taken
 * times `bare`. */
static double read_part(const char **at, const struct unit *units, double bare)
{
	size_t digits = strspn(*at, "0123456789."), letters;
	const char *name = *at + digits;
	char copy[32];
	double number;

	/* strtod alone would take more than people mean: signs, hexadecimals, exponents, inf. */
	if (!digits || digits >= sizeof(copy) || **at == '.' ||
	    memchr(*at, '.', digits) != memrchr(*at, '.', digits))
		return -1;
	memcpy(copy, *at, digits);
	copy[digits] = '\0';
	number = strtod(copy, NULL);
	letters = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ");
	*at = name + letters;
	if (!letters)
		return bare < 0 ? -1 : number * bare;
	for (; units->name; units++)
		if (strlen(units->name) == letters && !strncasecmp(units->name, name, letters))
			return number * units->factor;
	return -1;
}

int64_t ff_config_duration_us(const char *text)
{
	static const struct unit units[] = {
		{"us", 1},     {"ms", 1e3},   {"s", 1e6},     {"m", 60e6},
		{"min", 60e6}, {"h", 3600e6}, {"d", 86400e6}, {NULL, 0},
	};
	const char *at = text;
	double total = read_part(&at, units, 1e6);

	if (total < 0)
		return -1;
	while (*at) { /* "1h30m": further parts need their units */
		double part = read_part(&at, units, -1);

		if (part < 0)
			return -1;
		total += part;
	}
	return total < 9e18 ? (int64_t)llround(total) : -1;
}

int64_t ff_config_size_bytes(const char *text)
{
	static const struct unit units[] = {
		{"b", 1},	    {"k", 1024},      {"kb", 1e3},	{"kib", 1024},
		{"m", 1 << 20},	    {"mb", 1e6},      {"mib", 1 << 20}, {"g", 1 << 30},
		{"gb", 1e9},	    {"gib", 1 << 30}, {"t", 1LL << 40}, {"tb", 1e12},
		{"tib", 1LL << 40}, {NULL, 0},
	};
	const char *at = text;
	double total = read_part(&at, units, 1);

	return total >= 0 && !*at && total < 9e18 ? (int64_t)llround(total) : -1;
}

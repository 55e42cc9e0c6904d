/* A transport for tests: popen behind a line that splits what it carries into small pieces, hands
 * them over a few at a time, and can be cut at any byte. It is in no registry: the program that
 * links it says -Wl,--wrap=ff_transport_find, and it takes popen's place while it is switched on.
 */
#ifndef FF_FAKE_TRANSPORT_H
#define FF_FAKE_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct fake_settings {
	bool on;
	size_t piece_max; /* bytes handed over at once: 1 to this many; 0: no splitting */
	uint32_t seed;
	/* The line breaks after so many bytes of the peer's; 0: never. The peer is killed. */
	size_t cut_in;
	/* The peer sees end of file after so many bytes of ours; 0: never. */
	size_t cut_out;
};

/* For lines that are opened from now on. */
void fake_transport_set(const struct fake_settings *settings);
/* Bytes that the last opened line has carried so far: the peer's and ours. */
void fake_transport_carried(size_t *in, size_t *out);

#endif

/* How fast 10,000 test reports are dumped and loaded: "dumps_MBps X" and "loads_MBps X" (millions
 * of bytes a second, best of the rounds). Fails no test. */
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "wire/serialize.h"

enum { REPORTS = 10000, ROUNDS = 40 };

static void pack_report(struct ff_pack *p, int i)
{
	char nodeid[64];

	snprintf(nodeid, sizeof(nodeid), "tests/test_x.py::test_%d", i);
	ff_pack_open(p, FF_DICT);
	ff_pack_str(p, "nodeid");
	ff_pack_str(p, nodeid);
	ff_pack_str(p, "outcome");
	ff_pack_str(p, "passed");
	ff_pack_str(p, "duration");
	ff_pack_float(p, 0.0123);
	ff_pack_str(p, "when");
	ff_pack_str(p, "call");
	ff_pack_str(p, "sections");
	ff_pack_open(p, FF_LIST);
	ff_pack_open(p, FF_TUPLE);
	ff_pack_str(p, "a");
	ff_pack_str(p, "bbbbbbbbbbbbbbbbbbbb");
	ff_pack_close(p);
	ff_pack_close(p);
	ff_pack_str(p, "n");
	ff_pack_int(p, i);
	ff_pack_close(p);
}

static void die(const char *what)
{
	fprintf(stderr, "bench_serialize: %s\n", what);
	exit(1);
}

static void keep_best(double *best, size_t bytes, int64_t took_us)
{
	double rate = (double)bytes / (double)(took_us ? took_us : 1);

	if (rate > *best)
		*best = rate;
}

int main(void)
{
	struct ff_buf source = FF_BUF_INIT, dumped = FF_BUF_INIT;
	struct ff_item reports = FF_ITEM_INIT, loaded = FF_ITEM_INIT;
	double dumps = 0, loads = 0;
	struct ff_pack p;

	ff_pack_init(&p, &source);
	ff_pack_open(&p, FF_LIST);
	for (int i = 0; i < REPORTS; i++)
		pack_report(&p, i);
	ff_pack_close(&p);
	if (ff_pack_done(&p) ||
	    ff_load_item(&reports, ff_buf_data(&source), source.len, NULL, 0, NULL))
		die("cannot make the reports");
	for (int round = 0; round < ROUNDS; round++) {
		int64_t start, middle;

		ff_buf_release(&dumped);
		start = ff_clock_us();
		if (ff_dumps(&dumped, &reports.value, FF_DUMP_VERSION_2, NULL))
			die("cannot dump");
		middle = ff_clock_us();
		keep_best(&dumps, dumped.len, middle - start);
		middle = ff_clock_us();
		if (ff_loads(&loaded, ff_buf_data(&dumped), dumped.len, NULL, NULL))
			die("cannot load");
		keep_best(&loads, dumped.len, ff_clock_us() - middle);
		ff_item_release(&loaded);
	}
	if (dumped.len != source.len + 1 ||
	    memcmp(ff_buf_data(&dumped) + 1, ff_buf_data(&source), source.len) != 0)
		die("the dump differs from what was loaded");
	printf("dumps_MBps %.0f\nloads_MBps %.0f\n", dumps, loads);
	ff_buf_release(&source);
	ff_buf_release(&dumped);
	ff_item_release(&reports);
	return 0;
}

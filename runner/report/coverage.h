/* What Python's coverage has measured in commands, wherever they ran: the units' files, which come
 * as artifacts, are combined into one as the run ends, by `python3 -m coverage`. */
#ifndef FF_REPORT_COVERAGE_H
#define FF_REPORT_COVERAGE_H

struct ff_reporter;

struct ff_coverage_opts {
	const char *directory;	 /* where .coverage is to be, and sources are if there is no tree */
	const char *file_prefix; /* of the units' files */
	const char *source, *dest; /* of the tree; NULL */
};

/* Copies what it needs. */
struct ff_reporter *ff_report_coverage(const struct ff_coverage_opts *opts);

#endif

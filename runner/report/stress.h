/* The table of `farflung stress`: units are runs of tests, named TEST@NUMBER. */
#ifndef FF_REPORT_STRESS_H
#define FF_REPORT_STRESS_H

#include "report/reporter.h"

struct ff_stress_opts {
	bool json; /* an object per test, on stdout */
};

/* Tells how often each test failed, when the run is over. */
struct ff_reporter *ff_report_stress(const struct ff_reporter_opts *opts,
				     const struct ff_stress_opts *stress);

#endif

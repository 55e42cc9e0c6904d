/* The policy `load`: pytest-xdist's, without holding tests back at the end. */
#ifndef FF_SCHED_LOAD_H
#define FF_SCHED_LOAD_H

#include "sched/sched.h"

extern const struct ff_sched_class ff_sched_load;

#endif

/* What this machine and this process are, as entries of a dict. */
#ifndef FF_WORKER_INFO_H
#define FF_WORKER_INFO_H

#include "wire/serialize.h"

/* Packs key and value of each: platform, hostname, cpus, memory_kib, pid, cwd, user. */
void ff_info_pack(struct ff_pack *pack);

#endif

/* The built-in `info`, and what the worker says of itself when it is greeted. No name service is
 * asked: the program is static. */
#include "worker/info.h"

#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "base/clock.h"
#include "wire/utf8.h"
#include "worker/exec.h"
#include "worker/worker.h"

static void pack_text(struct ff_pack *pack, const char *key, const char *text)
{
	size_t len = strlen(text);

	ff_pack_str(pack, key);
	if (ff_is_utf8(text, len))
		ff_pack_strn(pack, text, len);
	else
		ff_pack_bytes(pack, text, len);
}

static void pack_int(struct ff_pack *pack, const char *key, int64_t number)
{
	ff_pack_str(pack, key);
	ff_pack_int(pack, number);
}

/* What this process may use, not what the machine has. */
static int count_cpus(void)
{
	cpu_set_t set;
	long online;

	if (!sched_getaffinity(0, sizeof(set), &set))
		return CPU_COUNT(&set);
	online = sysconf(_SC_NPROCESSORS_ONLN);
	return online > 0 ? (int)online : 1;
}

/* A limit in bytes; 0: there is none, or no such file. */
static uint64_t limit_in(const char *path)
{
	FILE *file = fopen(path, "re");
	unsigned long long bytes = 0;

	if (!file)
		return 0;
	if (fscanf(file, "%llu", &bytes) != 1)
		bytes = 0; /* "max" */
	fclose(file);
	return bytes;
}

/* What this process may use, as far as its container says. */
static uint64_t memory_kib(const struct sysinfo *system)
{
	uint64_t kib = (uint64_t)system->totalram * system->mem_unit / 1024;
	uint64_t limit = limit_in("/sys/fs/cgroup/memory.max");

	if (limit == 0)
		limit = limit_in("/sys/fs/cgroup/memory/memory.limit_in_bytes");
	return limit > 0 && limit / 1024 < kib ? limit / 1024 : kib;
}

static const char *user_name(char *number, size_t size)
{
	const char *name = getenv("LOGNAME");

	if (!name || !*name)
		name = getenv("USER");
	if (name && *name)
		return name;
	snprintf(number, size, "%lu", (unsigned long)geteuid());
	return number;
}

void ff_info_pack(struct ff_pack *pack)
{
	char number[24], path[PATH_MAX], platform[sizeof(struct utsname)];
	struct utsname name;
	struct sysinfo system;
	ssize_t len;

	if (uname(&name))
		return;
	snprintf(platform, sizeof(platform), "%s %s %s", name.sysname, name.release, name.machine);
	pack_text(pack, "platform", platform);
	len = readlink("/proc/self/exe", path, sizeof(path) - 1);
	path[len > 0 ? len : 0] = '\0';
	pack_text(pack, "executable", path);
	pack_text(pack, "hostname", name.nodename);
	pack_int(pack, "cpus", count_cpus());
	if (!sysinfo(&system))
		pack_int(pack, "memory_kib", (int64_t)memory_kib(&system));
	pack_int(pack, "pid", getpid());
	pack_text(pack, "cwd", getcwd(path, sizeof(path)) ? path : "");
	pack_text(pack, "user", user_name(number, sizeof(number)));
}

int ff_builtin_info(struct ff_worker *worker, struct ff_channel *channel,
		    const struct ff_request *request, struct ff_err *err)
{
	double load[1] = {0};
	struct ff_pack pack;
	int rc;

	ff_exec_pack(worker, &pack);
	ff_pack_open(&pack, FF_DICT);
	ff_info_pack(&pack);
	/* Not in ff_info_pack: HELLO has a "version" of its own, the protocol's. */
	pack_text(&pack, "version", FARFLUNG_VERSION);
	getloadavg(load, 1);
	ff_pack_str(&pack, "load1");
	ff_pack_float(&pack, load[0]);
	ff_pack_str(&pack, "uptime_s");
	ff_pack_float(&pack, (double)(ff_clock_us() - worker->start_us) / (double)FF_SECOND_US);
	ff_pack_close(&pack);
	rc = ff_pack_done(&pack);
	if (rc)
		return ff_err_set(err, rc, "info: %s", ff_err_text(rc));
	rc = ff_channel_send_packed(channel, &worker->scratch, err);
	return rc ? rc : FF_EXEC_DONE;
}

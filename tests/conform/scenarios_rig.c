/* Setting up what a scenario runs on, and taking it down so that nothing is left: no handle, no
 * descriptor, no process. Knows no scenario. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "scenarios.h"
#include "descriptors.h"
#include "io/loop_private.h"

enum { END_MS = 20000 };

/* --- saying what went wrong --- */

bool rig_fail(const char *file, int line, const char *fmt, ...)
{
	const char *slash = strrchr(file, '/');
	va_list args;

	printf("     %s:%d: ", slash ? slash + 1 : file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	return false;
}

bool rig_rc(int rc, int want, const struct ff_err *err, const char *file, int line)
{
	if (rc == want)
		return true;
	return rig_fail(file, line, "%s instead of %s: %s", rc ? ff_err_name(rc) : "0",
			want ? ff_err_name(want) : "0", err->text);
}

bool rig_text(const char *text, const char *part, const char *file, int line)
{
	if (text && strstr(text, part))
		return true;
	return rig_fail(file, line, "no '%s' in: %s", part, text ? text : "(nothing)");
}

bool rig_expect(struct ff_channel *channel, struct ff_value want, const char *file, int line)
{
	struct ff_buf got = FF_BUF_INIT, wanted = FF_BUF_INIT;
	ITEM item = FF_ITEM_INIT;
	struct ff_err err = {0};
	int rc = ff_channel_receive(channel, WAIT_MS, &item, &err);
	bool equal = rc == 0 && ff_value_equal(&item.value, &want);

	if (equal)
		return true;
	ff_value_repr(&wanted, &want, 100);
	ff_value_repr(&got, &item.value, 100);
	rig_fail(file, line, "%s instead of %s %s", rc ? ff_err_name(rc) : ff_buf_str(&got),
		 ff_buf_str(&wanted), err.text);
	ff_buf_release(&got);
	ff_buf_release(&wanted);
	return false;
}

void channel_drop(struct ff_channel **channel)
{
	ff_channel_unref(*channel);
}

void text_drop(char **text)
{
	ff_free(*text);
}

/* --- xspecs --- */

char *rig_spec(const struct setup *setup, unsigned n, const char *part)
{
	const char *from = setup->specs[n % setup->nspecs];
	size_t key = part ? strcspn(part, "=") : 0;
	struct ff_buf out = FF_BUF_INIT;

	while (*from) {
		const char *slashes = strstr(from, "//");
		size_t len = slashes ? (size_t)(slashes - from) : strlen(from);
		bool replaced =
			part && strncmp(from, part, key) == 0 && (len == key || from[key] == '=');

		if (!replaced)
			ff_buf_addf(&out, "%s%.*s", out.len ? "//" : "", (int)len, from);
		from += slashes ? len + 2 : len;
	}
	if (part)
		ff_buf_addf(&out, "//%s", part);
	return ff_buf_take(&out);
}

struct ff_gateway *rig_more(struct rig *rig, unsigned n, const char *part)
{
	struct ff_err err = {0};
	TEXT spec = rig_spec(rig->setup, n, part);
	struct ff_gateway *gw = ff_makegateway(rig->group, spec, &err);

	if (!gw)
		rig_fail(__FILE__, __LINE__, "%s", err.text);
	return gw;
}

/* --- up and down --- */

static void on_alarm(int number)
{
	/* Only there to interrupt waitid. */
}

/* We are the subreaper: whatever any worker has left running ends up as our child. It may take a
 * moment to go. */
static bool no_processes(void)
{
	struct sigaction action = {.sa_handler = on_alarm};
	siginfo_t info;

	sigaction(SIGALRM, &action, NULL);
	alarm(END_MS / 1000);
	while (waitid(P_ALL, 0, &info, WEXITED) == 0)
		;
	alarm(0);
	return errno == ECHILD || rig_fail(__FILE__, __LINE__, "processes are left");
}

bool rig_close(struct rig *rig)
{
	bool ok = true;
	int rc;

	rc = ff_group_terminate(rig->group, END_MS);
	if (rc != 0 || ff_group_len(rig->group) != 0)
		ok = rig_fail(__FILE__, __LINE__, "terminate: %s, %zu gateways are left",
			      ff_err_name(rc), ff_group_len(rig->group));
	ff_group_free(rig->group);
	if (ff_loop_release(&rig->loop) != 0)
		ok = rig_fail(__FILE__, __LINE__, "handles are left in the loop");
	if (count_fds() != rig->fds)
		ok = rig_fail(__FILE__, __LINE__, "%d descriptors before, %d now", rig->fds,
			      count_fds());
	rig->group = NULL;
	return no_processes() && ok;
}

bool rig_open(struct rig *rig, const struct setup *setup, bool gateway)
{
	struct ff_err err = {0};
	unsigned opened = 0;

	*rig = (struct rig){.setup = setup, .fds = count_fds()};
	if (ff_loop_init(&rig->loop, &err) != 0)
		return rig_fail(__FILE__, __LINE__, "%s", err.text);
	rig->group = ff_open_group(&rig->loop, &err);
	while (opened < setup->nparents && ff_makegateway(rig->group, setup->parents[opened], &err))
		opened++;
	if (opened == setup->nparents && gateway)
		rig->gw = ff_makegateway(rig->group, setup->specs[0], &err);
	if (rig->gw || (opened == setup->nparents && !gateway))
		return true;
	rig_fail(__FILE__, __LINE__, "%s", err.text);
	rig_close(rig);
	return false;
}

/* --- while it is up --- */

struct ff_channel *rig_exec(struct rig *rig, struct ff_gateway *gw, const char *python,
			    const char *script)
{
	struct ff_task task = {.source = python};
	struct ff_err err = {0};
	struct ff_channel *channel;
	TEXT text = NULL;

	if (rig->setup->native)
		task.source = text = ff_asprintf("#!/bin/sh\n%s", script);
	channel = ff_gateway_remote_exec(gw, &task, &err);
	if (!channel)
		rig_fail(__FILE__, __LINE__, "remote_exec: %s", err.text);
	return channel;
}

int rig_pid(struct ff_gateway *gw)
{
	return (int)ff_dict_int(ff_gateway_info(gw), "pid", -1);
}

bool rig_until(struct rig *rig, const bool *flag)
{
	int64_t deadline = ff_clock_us() + WAIT_MS * (int64_t)1000;

	while (!*flag && ff_clock_us() < deadline)
		ff_loop_run_once(&rig->loop, deadline);
	return *flag || rig_fail(__FILE__, __LINE__, "it did not come to pass in time");
}

bool rig_until_closed(struct rig *rig, struct ff_gateway *gw)
{
	int64_t deadline = ff_clock_us() + WAIT_MS * (int64_t)1000;

	while (ff_gateway_state(gw) != FF_GATEWAY_CLOSED && ff_clock_us() < deadline)
		ff_loop_run_once(&rig->loop, deadline);
	return ff_gateway_state(gw) == FF_GATEWAY_CLOSED ||
	       rig_fail(__FILE__, __LINE__, "the gateway is still open");
}

long rig_memory_bytes(void)
{
	FILE *file = fopen("/proc/self/statm", "re");
	long pages = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%*s %ld", &pages) != 1)
		pages = -1;
	fclose(file);
	return pages * sysconf(_SC_PAGESIZE);
}

/* Which interpreter runs the sessions of a host that names none: the first on PATH that has pytest.
 * A first python3 without it (a version manager's shim, say) is common, and worth a note. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "dispatch/private.h"
#include "worker/bootstrap.h"

/* One line per interpreter: path, version, yes or no; ends at the first yes. */
static const char probe_script[] =
	"IFS=:; seen=:\n"
	"for d in $PATH /usr/local/bin /usr/bin; do for n in python3 python; do\n"
	"  f=$d/$n; [ -x \"$f\" ] || continue\n"
	"  case $seen in *:\"$f\":*) continue;; esac; seen=$seen$f:\n"
	"  a=$(\"$f\" -c 'import sys,importlib.util as u\n"
	"v=\"%d.%d.%d\"%sys.version_info[:3]\n"
	"print(v,\"yes\" if sys.version_info>=(3,7) and u.find_spec(\"pytest\") else \"no\")' "
	"</dev/null 2>/dev/null) || a='? broken'\n"
	"  printf '%s\\t%s\\n' \"$f\" \"$a\"\n"
	"  case $a in *yes) exit 0;; esac\n"
	"done; done\n";

/* Reads the script's lines: the chosen interpreter, and in words what was passed over. */
static void probe_read(struct run_host *host)
{
	struct ff_buf text = FF_BUF_INIT, seen = FF_BUF_INIT;
	char *line, *save = NULL;

	output_text(&host->probe_output, &text);
	if (!ff_buf_str(&text))
		return;
	for (line = strtok_r((char *)ff_buf_data(&text), "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *answer = strchr(line, '\t');
		char *has;

		if (!answer)
			continue;
		*answer++ = '\0';
		has = strchr(answer, ' ');
		if (has)
			*has++ = '\0';
		if (has && strcmp(has, "yes") == 0) {
			free(host->python);
			host->python = ff_xstrdup(line);
			host->python_seen = ff_xasprintf("%s (%s)", line, answer);
			break;
		}
		ff_buf_addf(&seen, "%s%s (%s)", seen.len ? ", " : "", line,
			    has && strcmp(has, "no") == 0 ? answer : "does not run");
	}
	if (host->python && seen.len > 0 && !host->run->hosts_only)
		run_notice(host->run, host->host->name, "note",
			   "using %s: no pytest in %s (python= chooses another)", host->python,
			   ff_buf_str(&seen));
	if (!host->python)
		host->python_problem =
			seen.len > 0 ? ff_xasprintf("no Python with pytest: %s", ff_buf_str(&seen))
				     : ff_xasprintf("no Python found on PATH");
	ff_buf_release(&text);
	ff_buf_release(&seen);
}

static void probe_item(struct ff_channel *channel, const struct ff_item *item, void *ctx)
{
	struct run_host *host = ctx;

	if (item) {
		const struct ff_value *bytes = ff_at(&item->value, 1);

		if (ff_is_str(ff_at(&item->value, 0), "out") && bytes && bytes->kind == FF_BYTES)
			output_add(&host->probe_output, bytes->text, bytes->len);
		return;
	}
	if (host->channel == channel) {
		host->channel = NULL;
		if (host->foreman && ff_gateway_state(host->foreman) == FF_GATEWAY_OPEN) {
			probe_read(host);
			host_probed(host);
		}
	}
	ff_channel_unref(channel);
}

void host_probe(struct run_host *host)
{
	struct ff_value kwargs[] = {ff_str("shell"), ff_str(probe_script), ff_str("timeout_us"),
				    ff_int(30 * FF_SECOND_US)};
	struct ff_task task = {.call_name = "command", .kwargs = ff_collection(FF_DICT, kwargs, 2)};
	struct ff_err err = {0};

	if (host->host->spec.python) {
		host_probed(host);
		return;
	}
	if (!ff_gateway_is_native(host->foreman))
		task.source = ff_bootstrap_source("command");
	output_release(&host->probe_output);
	output_init(&host->probe_output, OUTPUT_TAIL);
	host->channel = ff_gateway_remote_exec(host->foreman, &task, &err);
	if (!host->channel || ff_channel_set_callback(host->channel, probe_item, host) < 0) {
		host->python_problem = ff_xasprintf("cannot look for a Python: %s", err.text);
		host_probed(host);
	}
}

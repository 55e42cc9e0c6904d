/* Any text as a configuration file: refused with a message, or an inventory and a plan come of it.
 */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "config/config.h"
#include "inventory/inventory.h"
#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first and the last of each job. */
static void make_units(const struct ff_plan *plan)
{
	for (size_t i = 0; i < plan->len; i++) {
		const struct ff_plan_job *job = &plan->jobs[i];
		struct ff_arena arena = FF_ARENA_INIT;
		struct ff_plan_instance unit;

		if (ff_plan_instance(job, 0, &arena, &unit) ||
		    ff_plan_instance(job, job->units_len ? job->units_len - 1 : 0, &arena, &unit))
			abort();
		ff_arena_release(&arena);
	}
}

/* With one of its profiles, and every value explained. */
static void read_again(const struct ff_config *config, const char *text, size_t size)
{
	struct ff_strv profiles = FF_STRV_INIT;
	struct ff_buf explain = FF_BUF_INIT;
	const struct ff_config_opts opts = {.profiles = &profiles, .explain = &explain};
	struct ff_config again;
	struct ff_err err = {0};

	if (config->profiles_len && ff_strv_add(&profiles, config->profiles[0]))
		abort();
	if (ff_config_parse_with(&again, "fuzz.yaml", text, size, &opts, &err) == 0)
		ff_config_release(&again);
	ff_strv_release(&profiles);
	ff_buf_release(&explain);
}

/* The same text as an inventory from outside of the file. */
static void as_inventory(const char *text, size_t size)
{
	struct ff_inventory inventory = {0};
	struct ff_config config;
	struct ff_err err = {0};

	ff_config_init(&config);
	if (ff_config_add_inventory(&config, "fuzz.json", text, size, &err) == 0)
		ff_inventory_build(&inventory, &config, &err);
	if (err.code > 0 || (err.code && !err.text[0]))
		abort();
	ff_inventory_release(&inventory);
	ff_config_release(&config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ff_config config;
	struct ff_inventory inventory = {0};
	struct ff_plan plan = {0};
	struct ff_err err = {0};

	as_inventory((const char *)data, size);
	if (ff_config_parse(&config, "fuzz.yaml", (const char *)data, size, &err) < 0) {
		if (err.code >= 0 || !err.text[0])
			abort();
		return 0;
	}
	read_again(&config, (const char *)data, size);
	if (ff_inventory_build(&inventory, &config, &err) == 0 &&
	    ff_plan_build(&plan, &config, &inventory, NULL, &err) == 0)
		make_units(&plan);
	ff_plan_release(&plan);
	ff_inventory_release(&inventory);
	ff_config_release(&config);
	return 0;
}

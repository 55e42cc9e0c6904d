/* Hosts and groups from outside of the file: fetched, parsed, and read as either of two shapes. */
#include <string.h>

#include "base/alloc.h"
#include "config/outside.h"
#include "config/private.h"
#include "config/read.h"

/* Ansible's dictionary of groups has no list of hosts at its top. */
static bool is_ansible(const struct ff_yaml_node *root)
{
	const struct ff_yaml_node *hosts = ff_read_find(root, "hosts");

	if (root->kind != FF_YAML_MAPPING || (hosts && hosts->kind != FF_YAML_MAPPING))
		return false;
	if (ff_read_find(root, "_meta") || ff_read_find(root, "all"))
		return true;
	return root->len > 0 && !ff_read_find(root, "groups") && !ff_read_find(root, "defaults");
}

int ff_config_add_inventory(struct ff_config *config, const char *name, const char *text,
			    size_t len, struct ff_err *err)
{
	struct ff_mistakes problems;
	/* What is in there is as it is: nothing of the environment is put in. */
	struct ff_reader r = {.config = config, .problems = &problems};
	const struct ff_yaml_source source = {ff_config_keep(config, name), config->directory};
	struct ff_arena nodes = FF_ARENA_INIT;
	size_t before = config->hosts_len;
	struct ff_yaml_node *root;

	ff_mistakes_init(&problems, source.name);
	root = ff_yaml_parse(&nodes, &source, text, len, &problems);
	if (!problems.total && !root)
		ff_mistakes_add(&problems, NULL, "nothing is there");
	else if (!problems.total && root->kind == FF_YAML_SCALAR)
		ff_mistakes_add(&problems, NULL, "an inventory is a mapping or a list of hosts");
	else if (!problems.total && is_ansible(root))
		ff_read_ansible(&r, root);
	else if (!problems.total)
		ff_read_inventory(&r, root);
	ff_arena_release(&nodes);
	ff_read_merge_defaults(config, before);
	return ff_mistakes_finish(&problems, err);
}

static int complain(const struct ff_config *config, const struct ff_place *place, const char *what,
		    const char *name, struct ff_err *err)
{
	struct ff_mistakes problems;

	ff_mistakes_init(&problems, config->path);
	ff_mistakes_add(&problems, place, "the inventory's %s '%s': %s", what, name, err->text);
	return ff_mistakes_finish(&problems, err);
}

static int add(struct ff_config *config, const char *name, struct ff_buf *text, struct ff_err *err)
{
	return ff_config_add_inventory(config, name, text->len ? ff_buf_str(text) : "", text->len,
				       err);
}

int ff_config_read_outside(struct ff_config *config, const atomic_bool *stop, struct ff_err *err)
{
	const struct ff_outside_opts opts = {
		.timeout_us = config->outside.timeout_us,
		.max_bytes = FF_CONFIG_FILE_MAX,
		.directory = config->directory,
		.ca_file = config->outside.ca_file,
		.stop = stop,
	};
	const char *program = config->outside.cmd.len ? config->outside.cmd.v[0] : NULL;
	struct ff_buf text = FF_BUF_INIT;
	int rc = 0;

	if (program) {
		char *name = ff_xasprintf("<%s>", program);

		rc = ff_outside_run(&text, config->outside.cmd.v, &opts, err);
		if (rc)
			rc = complain(config, &config->outside.cmd_place, "program", program, err);
		else
			rc = add(config, name, &text, err);
		ff_free(name);
	}
	if (!rc && config->outside.url) {
		ff_buf_clear(&text);
		rc = ff_outside_fetch(&text, config->outside.url, &opts, err);
		if (rc)
			rc = complain(config, &config->outside.url_place, "URL",
				      config->outside.url, err);
		else
			rc = add(config, config->outside.url, &text, err);
	}
	ff_buf_release(&text);
	return rc;
}

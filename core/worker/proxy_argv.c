/* From execnet's xspec fields to an argv. Pure. */
#include "worker/proxy.h"

#define BOOTSTRAP_LINE "import sys;exec(eval(sys.stdin.readline()))"

static bool is_set(const struct ff_value *spec, const char *key)
{
	const struct ff_value *value = ff_dict_get(spec, key);

	return value && (value->kind == FF_STR ? value->len > 0 : ff_as_int(value, 0) != 0);
}

static int popen_argv(const struct ff_value *spec, struct ff_strv *argv, struct ff_err *err)
{
	int rc;

	rc = ff_strv_split(argv, ff_dict_str(spec, "python", "python3"), err);
	if (rc)
		return rc;
	if (!argv->len)
		return ff_err_set(err, FF_EINVAL, "python= names no program");
	if (ff_strv_add(argv, "-u") ||
	    (is_set(spec, "dont_write_bytecode") && ff_strv_add(argv, "-B")) ||
	    ff_strv_add(argv, "-c") || ff_strv_add(argv, BOOTSTRAP_LINE))
		return ff_err_set(err, FF_ENOMEM, "out of memory");
	return 0;
}

/* What ssh and vagrant have in common: options, destination, the remote command. */
static int remote_argv(const struct ff_value *spec, const char *target, struct ff_strv *argv,
		       struct ff_err *err)
{
	const char *config = ff_dict_str(spec, "ssh_config", NULL);
	int rc;

	rc = ff_strv_add(argv, "-C");
	if (!rc && config) {
		rc = ff_strv_add(argv, "-F");
		if (!rc)
			rc = ff_strv_add(argv, config);
	}
	if (!rc && target)
		rc = ff_strv_split_blanks(argv, target);
	if (!rc)
		rc = ff_strv_addf(argv, "%s -c \"" BOOTSTRAP_LINE "\"",
				  ff_dict_str(spec, "python", "python"));
	return rc ? ff_err_set(err, rc, "out of memory") : 0;
}

int ff_proxy_argv(const struct ff_value *spec, struct ff_strv *argv, struct ff_err *err)
{
	const char *vagrant = ff_dict_str(spec, "vagrant_ssh", NULL);
	const char *ssh = ff_dict_str(spec, "ssh", NULL);

	if (is_set(spec, "popen"))
		return popen_argv(spec, argv, err);
	if (ssh) {
		if (ff_strv_add(argv, "ssh"))
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		return remote_argv(spec, ssh, argv, err);
	}
	if (vagrant) {
		if (ff_strv_add(argv, "vagrant") || ff_strv_add(argv, "ssh") ||
		    ff_strv_add(argv, vagrant) || ff_strv_add(argv, "--"))
			return ff_err_set(err, FF_ENOMEM, "out of memory");
		return remote_argv(spec, NULL, argv, err);
	}
	return ff_err_set(err, FF_EINVAL, "the proxy can start popen, ssh and vagrant_ssh only");
}

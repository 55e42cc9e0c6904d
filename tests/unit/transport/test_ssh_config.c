/* What is made of `ssh -G`'s answer and of the words of an ssh= value. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "transport/ssh_config.h"

static struct ff_ssh_config *parsed(const char *text)
{
	struct ff_ssh_config *config = ff_ssh_config_new();
	struct ff_err err;

	assert_non_null(config);
	assert_int_equal(ff_ssh_config_parse(config, text, &err), 0);
	assert_int_equal(ff_ssh_config_finish(config, &err), 0);
	return config;
}

static void test_answer(void **state)
{
	struct ff_ssh_config *config =
		parsed("host b\nuser jo\nhostname build1.example\nport 2222\n"
		       "identitiesonly yes\npubkeyauthentication true\n"
		       "identityfile /keys/a key\nidentityfile /keys/%h-%p\n"
		       "userknownhostsfile /k/one /k/two\n"
		       "connecttimeout none\nproxycommand none\n"
		       "forwardagent no\nstricthostkeychecking accept-new\n"
		       "setenv A=b c\nunknownoption x\nnovalue\n");

	assert_string_equal(config->user, "jo");
	assert_string_equal(config->hostname, "build1.example");
	assert_int_equal(config->port, 2222);
	assert_int_equal(config->connect_timeout_s, 0);
	assert_int_equal(config->identities_only, FF_SSH_YES);
	assert_int_equal(config->compression, FF_SSH_UNSET);
	assert_int_equal(config->identity_files.len, 2);
	assert_string_equal(config->identity_files.v[0], "/keys/a key");
	assert_string_equal(config->identity_files.v[1], "/keys/build1.example-2222");
	assert_int_equal(config->user_known_hosts.len, 2);
	assert_string_equal(config->user_known_hosts.v[1], "/k/two");
	assert_string_equal(config->set_env.v[0], "A=b c");
	assert_int_equal(ff_ssh_config_strict(config), FF_SSH_STRICT_ACCEPT_NEW);
	assert_true(ff_ssh_config_wants_keys(config));
	assert_null(config->program);
	assert_false(ff_ssh_config_master(config));
	ff_ssh_config_unref(config);
}

static void test_defaults(void **state)
{
	struct ff_ssh_config *config = parsed("host b\n");

	assert_string_equal(config->hostname, "b");
	assert_int_equal(config->port, 22);
	assert_true(strlen(config->user) > 0);
	assert_true(config->identity_files.len >= 4);
	assert_int_equal(config->identity_files.v[0][0], '/');
	assert_int_equal(config->user_known_hosts.v[0][0], '/');
	assert_int_equal(ff_ssh_config_strict(config), FF_SSH_STRICT_ASK);
	ff_ssh_config_unref(config);
}

static void test_strict(void **state)
{
	static const struct {
		const char *text;
		enum ff_ssh_strict strict;
	} cases[] = {
		{"host b\nstricthostkeychecking ask\n", FF_SSH_STRICT_ASK},
		{"host b\nstricthostkeychecking true\n", FF_SSH_STRICT_YES},
		{"host b\nstricthostkeychecking yes\n", FF_SSH_STRICT_YES},
		{"host b\nstricthostkeychecking false\n", FF_SSH_STRICT_ACCEPT_NEW},
		{"host b\nstricthostkeychecking off\n", FF_SSH_STRICT_ACCEPT_NEW},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ff_ssh_config *config = parsed(cases[i].text);

		assert_int_equal(ff_ssh_config_strict(config), cases[i].strict);
		ff_ssh_config_unref(config);
	}
}

static void test_program(void **state)
{
	static const struct {
		const char *text, *reason;
	} cases[] = {
		{"proxyjump bastion\n", "ProxyJump"},
		{"proxycommand nc %h %p\n", "ProxyCommand"},
		{"certificatefile ~/c\n", "CertificateFile"},
		{"forwardagent yes\n", "ForwardAgent"},
		{"pkcs11provider /x.so\n", "PKCS11Provider"},
		{"verifyhostkeydns ask\n", "VerifyHostKeyDNS"},
		{"identityfile /k/%C\n", "%-token in a file name"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ff_ssh_config *config = parsed(cases[i].text);

		assert_non_null(config->program);
		assert_string_equal(config->program, cases[i].reason);
		ff_ssh_config_need_program(config, "another");
		assert_string_equal(config->program, cases[i].reason);
		ff_ssh_config_unref(config);
	}
}

static void test_keys_not_wanted(void **state)
{
	struct ff_ssh_config *config = parsed("pubkeyauthentication false\n");

	assert_false(ff_ssh_config_wants_keys(config));
	ff_ssh_config_unref(config);
	config = parsed("preferredauthentications password,keyboard-interactive\n");
	assert_false(ff_ssh_config_wants_keys(config));
	ff_ssh_config_unref(config);
}

static void test_bad_numbers(void **state)
{
	static const char *const cases[] = {"port x\n", "port 22x\n", "port -1\n", "port 70000\n",
					    "connecttimeout 1s\n"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ff_ssh_config *config = ff_ssh_config_new();
		struct ff_err err = {0};
		int rc = ff_ssh_config_parse(config, cases[i], &err);

		if (rc == 0)
			rc = ff_ssh_config_finish(config, &err);
		assert_int_equal(rc, FF_ECONFIG);
		assert_int_equal(err.code, FF_ECONFIG);
		ff_ssh_config_unref(config);
	}
}

static void test_master(void **state)
{
	char folder[] = "/tmp/ff-ssh-config-XXXXXX";
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct ff_ssh_config *config = ff_ssh_config_new();
	struct ff_err err;
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	assert_non_null(mkdtemp(folder));
	snprintf(address.sun_path, sizeof(address.sun_path), "%s/m", folder);
	assert_int_equal(ff_ssh_config_set(config, "controlpath", address.sun_path, &err), 0);
	assert_int_equal(ff_ssh_config_finish(config, &err), 0);
	assert_false(ff_ssh_config_master(config));
	assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
	assert_true(ff_ssh_config_master(config));
	unlink(address.sun_path);
	rmdir(folder);
	close(fd);
	ff_ssh_config_unref(config);
}

static void test_word_positions(void **state)
{
	static const struct {
		const char *words;
		size_t host, rest;
	} cases[] = {
		{"build1", 0, 1},
		{"-p 2222 build1", 2, 3},
		{"-p2222 -Cv jo@build1", 2, 3},
		{"build1 -p 22", 0, 3},
		{"-Cp 22 build1 nice -n 5", 2, 3},
		{"-- build1 env A=b", 1, 2},
		{"-oPort=1 -o User=x b", 3, 4},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ff_strv words = FF_STRV_INIT;
		struct ff_err err = {0};
		size_t host = 99, rest = 99;

		assert_int_equal(ff_strv_split_blanks(&words, cases[i].words), 0);
		assert_int_equal(ff_ssh_words(&words, NULL, NULL, &host, &rest, &err), 0);
		assert_int_equal(host, cases[i].host);
		assert_int_equal(rest, cases[i].rest);
		ff_strv_release(&words);
	}
}

static int from_words(struct ff_ssh_config *config, const char *text, struct ff_err *err)
{
	struct ff_strv words = FF_STRV_INIT;
	int rc;

	assert_int_equal(ff_strv_split_blanks(&words, text), 0);
	rc = ff_ssh_config_from_words(config, &words, err);
	ff_strv_release(&words);
	return rc;
}

static void test_words(void **state)
{
	struct ff_ssh_config *config = ff_ssh_config_new();
	struct ff_err err = {0};

	assert_int_equal(from_words(config,
				    "-p 2222 -i /k/a -i /k/b -o StrictHostKeyChecking=no "
				    "-oIdentitiesOnly=yes -4C -l jo ann@build1 -o Port=3",
				    &err),
			 0);
	assert_int_equal(ff_ssh_config_finish(config, &err), 0);
	assert_string_equal(config->hostname, "build1");
	/* The first value of an option counts. */
	assert_string_equal(config->user, "jo");
	assert_int_equal(config->port, 2222);
	assert_int_equal(config->identity_files.len, 2);
	assert_string_equal(config->identity_files.v[1], "/k/b");
	assert_int_equal(config->identities_only, FF_SSH_YES);
	assert_int_equal(config->compression, FF_SSH_YES);
	assert_string_equal(config->address_family, "inet");
	assert_int_equal(ff_ssh_config_strict(config), FF_SSH_STRICT_ACCEPT_NEW);
	assert_null(config->program);
	ff_ssh_config_unref(config);
}

static void test_words_for_the_program(void **state)
{
	struct ff_ssh_config *config = ff_ssh_config_new();
	struct ff_err err = {0};

	assert_int_equal(from_words(config, "-J bastion build1", &err), 0);
	assert_string_equal(config->program, "ProxyJump");
	ff_ssh_config_unref(config);
}

static void test_bad_words(void **state)
{
	static const char *const cases[] = {"-p",	 "-p 22",   "-Z h",  "-F file h",
					    "-o Port h", "ssh://h", "-p x h"};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ff_ssh_config *config = ff_ssh_config_new();
		struct ff_err err = {0};

		assert_int_equal(from_words(config, cases[i], &err), FF_ECONFIG);
		assert_true(err.text[0] != '\0');
		ff_ssh_config_unref(config);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answer),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_strict),
		cmocka_unit_test(test_program),
		cmocka_unit_test(test_keys_not_wanted),
		cmocka_unit_test(test_bad_numbers),
		cmocka_unit_test(test_master),
		cmocka_unit_test(test_word_positions),
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_words_for_the_program),
		cmocka_unit_test(test_bad_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

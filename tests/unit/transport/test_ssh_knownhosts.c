/* known_hosts: lines, names, verdicts, and adding a key. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "transport/ssh_knownhosts.h"

struct fixture {
	char folder[64];
	char file[96];
	struct ff_ssh_config *config;
};

/* A blob of a type with some content: string type, string content. */
static size_t make_blob(uint8_t *blob, const char *type, const char *content)
{
	size_t len = 0;
	const char *const parts[] = {type, content};

	for (int i = 0; i < 2; i++) {
		size_t size = strlen(parts[i]);

		memset(blob + len, 0, 3);
		blob[len + 3] = (uint8_t)size;
		memcpy(blob + len + 4, parts[i], size);
		len += 4 + size;
	}
	return len;
}

static void write_line(struct fixture *f, const char *hosts, const char *type, const char *content)
{
	uint8_t blob[128];
	size_t len = make_blob(blob, type, content);
	char *text = ff_ssh_base64_encode(blob, len);
	FILE *file = fopen(f->file, "a");

	fprintf(file, "%s %s %s comment\n", hosts, type, text);
	fclose(file);
	ff_free(text);
}

static void set(struct fixture *f, const char *key, const char *value)
{
	struct ff_err err;

	assert_int_equal(ff_ssh_config_set(f->config, key, value, &err), 0);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/ff-known-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/known_hosts", f->folder);
	f->config = ff_ssh_config_new();
	set(f, "userknownhostsfile", f->file);
	set(f, "globalknownhostsfile", "/dev/null");
	*state = f;
	return 0;
}

static void finish(struct fixture *f, const char *host, const char *port)
{
	struct ff_err err;

	set(f, "host", host);
	set(f, "port", port);
	assert_int_equal(ff_ssh_config_finish(f->config, &err), 0);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	rmdir(f->folder);
	ff_ssh_config_unref(f->config);
	free(f);
	return 0;
}

static enum ff_ssh_verdict verdict(struct fixture *f, const char *type, const char *content,
				   struct ff_ssh_finding *finding)
{
	uint8_t blob[128];
	size_t len = make_blob(blob, type, content);

	assert_int_equal(ff_ssh_known_check(finding, f->config, blob, len), 0);
	return finding->verdict;
}

static void test_match(void **state)
{
	static const struct {
		const char *hosts, *name;
		bool match;
	} cases[] = {
		{"build1", "build1", true},
		{"build1", "build2", false},
		{"build1,10.0.0.1", "10.0.0.1", true},
		{"BUILD1", "build1", true},
		{"build?", "build12", false},
		{"build?", "build1", true},
		{"*.example,!bad.example", "good.example", true},
		{"*.example,!bad.example", "bad.example", false},
		{"!bad.example", "good.example", false},
		{"*", "anything", true},
		{"[build1]:2222", "[build1]:2222", true},
		{"[build1]:2222", "build1", false},
		{"b*1*", "build1", true},
		{"", "build1", false},
		{",,", "build1", false},

		{"|1|AAECAwQFBgcICQoLDA0ODxAREhM=|not base64", "build1", false},
		{"|1|", "build1", false},
		{"|1|AAAA", "build1", false},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(
			ff_ssh_known_match(cases[i].hosts, strlen(cases[i].hosts), cases[i].name),
			cases[i].match);
}

/* HMAC-SHA1("build1") with the key 0…19, computed elsewhere. */
static void test_match_hashed(void **state)
{
	static const char hosts[] = "|1|AAECAwQFBgcICQoLDA0ODxAREhM=|ht9h1u1Ek/7hegN3n6J9JJQQBZY=";

	assert_true(ff_ssh_known_match(hosts, strlen(hosts), "build1"));
	assert_false(ff_ssh_known_match(hosts, strlen(hosts), "build2"));
}

static void test_parse(void **state)
{
	struct ff_ssh_known_line line;

	assert_false(ff_ssh_known_parse(&line, ""));
	assert_false(ff_ssh_known_parse(&line, "\n"));
	assert_false(ff_ssh_known_parse(&line, "# h ssh-rsa AAAA\n"));
	assert_false(ff_ssh_known_parse(&line, "h ssh-rsa\n"));
	assert_false(ff_ssh_known_parse(&line, "@revoked h ssh-rsa\n"));
	assert_true(ff_ssh_known_parse(&line, "  a,b\tssh-rsa  AAAA comment\r\n"));
	assert_int_equal(line.marker, FF_SSH_MARK_NONE);
	assert_int_equal(line.hosts_len, 3);
	assert_int_equal(line.type_len, 7);
	assert_int_equal(line.key_len, 4);
	assert_true(ff_ssh_known_parse(&line, "@revoked * ssh-rsa AAAA"));
	assert_int_equal(line.marker, FF_SSH_MARK_REVOKED);
	assert_true(ff_ssh_known_parse(&line, "@cert-authority * ssh-rsa AAAA"));
	assert_int_equal(line.marker, FF_SSH_MARK_OTHER);
}

static void test_verdicts(void **state)
{
	struct fixture *f = *state;
	struct ff_ssh_finding finding;

	finish(f, "build1", "22");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_UNKNOWN);
	write_line(f, "# build1", "ssh-ed25519", "k0");
	write_line(f, "@cert-authority build1", "ssh-ed25519", "k1");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_UNKNOWN);
	write_line(f, "build1", "ssh-ed25519", "k1");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_KNOWN);
	assert_int_equal(verdict(f, "ecdsa-sha2-nistp256", "k1", &finding), FF_SSH_OTHER_TYPES);
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_CHANGED);
	assert_string_equal(finding.file, f->file);
	assert_int_equal(finding.line, 3);
	assert_string_equal(finding.type, "ssh-ed25519");
	assert_memory_equal(finding.fingerprint, "SHA256:", 7);
	/* One matching line is enough, in any order. */
	write_line(f, "build*", "ssh-ed25519", "k2");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_KNOWN);
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_KNOWN);
	/* A revocation outweighs it. */
	write_line(f, "@revoked *", "ssh-ed25519", "k1");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_REVOKED);
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_KNOWN);
}

static void test_port(void **state)
{
	struct fixture *f = *state;
	struct ff_ssh_finding finding;

	finish(f, "Build1", "2222");
	write_line(f, "build1", "ssh-ed25519", "k1");
	/* The bare name vouches for its very key only. */
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_KNOWN);
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_UNKNOWN);
	write_line(f, "[build1]:2222", "ssh-ed25519", "k2");
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_KNOWN);
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_CHANGED);
	assert_int_equal(finding.line, 2);
}

static void test_alias(void **state)
{
	struct fixture *f = *state;
	struct ff_ssh_finding finding;

	set(f, "hostkeyalias", "Farm");
	finish(f, "build1", "2222");
	write_line(f, "build1", "ssh-ed25519", "k2");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_UNKNOWN);
	write_line(f, "farm", "ssh-ed25519", "k1");
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_KNOWN);
}

static void test_types(void **state)
{
	struct fixture *f = *state;
	struct ff_strv types = FF_STRV_INIT;

	finish(f, "build1", "22");
	write_line(f, "build1", "ssh-rsa", "k1");
	write_line(f, "other", "ssh-ed25519", "k2");
	write_line(f, "build1", "ssh-rsa", "k3");
	write_line(f, "@revoked build1", "ecdsa-sha2-nistp256", "k4");
	assert_int_equal(ff_ssh_known_types(&types, f->config), 0);
	assert_int_equal(types.len, 1);
	assert_string_equal(types.v[0], "ssh-rsa");
	ff_strv_release(&types);
}

static void test_garbage(void **state)
{
	struct fixture *f = *state;
	struct ff_ssh_finding finding;
	FILE *file = fopen(f->file, "a");

	for (int i = 0; i < 70000; i++)
		fputs("x ", file);
	fputs("\nbuild1 ssh-ed25519 !!!!\nbuild1 ssh-ed25519 AAA\n", file);
	fclose(file);
	write_line(f, "build1", "ssh-ed25519", "k1");
	finish(f, "build1", "22");
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_CHANGED);
	assert_int_equal(finding.line, 4);
}

static void add_and_check(struct fixture *f, bool hashed)
{
	struct ff_ssh_finding finding;
	uint8_t blob[128];
	size_t len = make_blob(blob, "ssh-ed25519", "k1");
	struct ff_err err;
	struct stat st;
	char text[512] = "";
	FILE *file;

	set(f, "hashknownhosts", hashed ? "yes" : "no");
	finish(f, "build1", "2222");
	/* A last line without a newline must stay whole. */
	file = fopen(f->file, "w");
	fputs("# end", file);
	fclose(file);
	chmod(f->file, 0600);
	assert_int_equal(ff_ssh_known_add(f->config, blob, len, &err), 0);
	assert_int_equal(verdict(f, "ssh-ed25519", "k1", &finding), FF_SSH_KNOWN);
	assert_int_equal(verdict(f, "ssh-ed25519", "k2", &finding), FF_SSH_CHANGED);
	assert_int_equal(finding.line, 2);
	assert_int_equal(stat(f->file, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	file = fopen(f->file, "r");
	assert_true(fread(text, 1, sizeof(text) - 1, file) > 0);
	fclose(file);
	assert_memory_equal(text, "# end\n", 6);
	assert_int_equal(strstr(text, "[build1]:2222") == NULL, hashed);
}

static void test_add(void **state)
{
	add_and_check(*state, false);
}

static void test_add_hashed(void **state)
{
	add_and_check(*state, true);
}

static void test_decide(void **state)
{
	struct fixture *f = *state;
	uint8_t blob[128];
	size_t len = make_blob(blob, "ssh-ed25519", "k1");
	struct ff_err err = {0};

	finish(f, "build1", "22");
	assert_int_equal(ff_ssh_known_decide(f->config, blob, len, &err), FF_EHOSTKEY);
	assert_non_null(strstr(err.text, "host key of build1:22 is unknown (ssh-ed25519 SHA256:"));
	assert_non_null(strstr(err.text, "StrictHostKeyChecking=ask"));
	set(f, "stricthostkeychecking", "accept-new");
	assert_int_equal(ff_ssh_known_decide(f->config, blob, len, &err), 0);
	assert_int_equal(ff_ssh_known_decide(f->config, blob, len, &err), 0);
	len = make_blob(blob, "ssh-ed25519", "k2");
	assert_int_equal(ff_ssh_known_decide(f->config, blob, len, &err), FF_EHOSTKEY);
	assert_non_null(strstr(err.text, "has CHANGED"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_match),
		cmocka_unit_test(test_match_hashed),
		cmocka_unit_test(test_parse),
		cmocka_unit_test_setup_teardown(test_verdicts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_port, setup, teardown),
		cmocka_unit_test_setup_teardown(test_alias, setup, teardown),
		cmocka_unit_test_setup_teardown(test_types, setup, teardown),
		cmocka_unit_test_setup_teardown(test_garbage, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add, setup, teardown),
		cmocka_unit_test_setup_teardown(test_add_hashed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_decide, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

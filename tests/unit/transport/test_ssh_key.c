/* Key blobs, and what is made of key files. */
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
#include "base/buf.h"
#include "transport/ssh_agent.h"
#include "transport/ssh_key.h"

struct fixture {
	char folder[64];
	char key[96], public_key[104], certificate[112];
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	strcpy(f->folder, "/tmp/ff-key-XXXXXX");
	if (!mkdtemp(f->folder))
		return -1;
	snprintf(f->key, sizeof(f->key), "%s/key", f->folder);
	snprintf(f->public_key, sizeof(f->public_key), "%s.pub", f->key);
	snprintf(f->certificate, sizeof(f->certificate), "%s-cert.pub", f->key);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->key);
	unlink(f->public_key);
	unlink(f->certificate);
	rmdir(f->folder);
	free(f);
	return 0;
}

static void write_file(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	chmod(path, mode);
}

static void add_string(struct ff_buf *buf, const void *bytes, size_t len)
{
	uint8_t size[4] = {0, 0, (uint8_t)(len >> 8), (uint8_t)len};

	ff_buf_add(buf, size, sizeof(size));
	ff_buf_add(buf, bytes, len);
}

static void add_blob(struct ff_buf *buf, const char *type)
{
	add_string(buf, type, strlen(type));
	add_string(buf, "0123456789abcdef0123456789abcdef", 32);
}

/* OpenSSH's container around a public key; the private part is left out. */
static void write_container(struct fixture *f, const char *cipher, const char *type)
{
	struct ff_buf bytes = FF_BUF_INIT, blob = FF_BUF_INIT, text = FF_BUF_INIT;
	const uint8_t one[4] = {0, 0, 0, 1};
	char *encoded;

	add_blob(&blob, type);
	ff_buf_add(&bytes, "openssh-key-v1", 15);
	add_string(&bytes, cipher, strlen(cipher));
	add_string(&bytes, "none", 4);
	add_string(&bytes, "", 0);
	ff_buf_add(&bytes, one, sizeof(one));
	add_string(&bytes, ff_buf_data(&blob), blob.len);
	encoded = ff_ssh_base64_encode(ff_buf_data(&bytes), bytes.len);
	ff_buf_addf(&text, "-----BEGIN OPENSSH PRIVATE KEY-----\n%.70s\n%s\n%s\n", encoded,
		    encoded + 70, "-----END OPENSSH PRIVATE KEY-----");
	write_file(f->key, ff_buf_str(&text), 0600);
	ff_free(encoded);
	ff_buf_release(&bytes);
	ff_buf_release(&blob);
	ff_buf_release(&text);
}

static enum ff_ssh_key_kind kind_of(struct fixture *f, bool has_blob)
{
	struct ff_ssh_key key;

	assert_int_equal(ff_ssh_key_load(&key, f->key), 0);
	assert_int_equal(key.blob != NULL, has_blob);
	ff_ssh_key_release(&key);
	return key.kind;
}

static void test_missing(void **state)
{
	assert_int_equal(kind_of(*state, false), FF_SSH_KEY_MISSING);
}

static void test_containers(void **state)
{
	struct fixture *f = *state;

	write_container(f, "none", "ssh-ed25519");
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_NATIVE);
	write_container(f, "none", "ecdsa-sha2-nistp521");
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_NATIVE);
	write_container(f, "none", "ssh-rsa");
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_PROGRAM);
	write_container(f, "none", "sk-ssh-ed25519@openssh.com");
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_PROGRAM);
	write_container(f, "aes256-ctr", "ssh-ed25519");
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_LOCKED);
}

static void test_certificate(void **state)
{
	struct fixture *f = *state;

	write_container(f, "none", "ssh-ed25519");
	write_file(f->certificate, "ssh-ed25519-cert-v01@openssh.com AAAA\n", 0600);
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_PROGRAM);
}

static void test_other_formats(void **state)
{
	static const struct {
		const char *text;
		enum ff_ssh_key_kind kind;
	} cases[] = {
		{"-----BEGIN EC PRIVATE KEY-----\nAAAA\n", FF_SSH_KEY_NATIVE},
		{"-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", FF_SSH_KEY_LOCKED},
		{"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", FF_SSH_KEY_PROGRAM},
		{"-----BEGIN PRIVATE KEY-----\nAAAA\n", FF_SSH_KEY_PROGRAM},
		{"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", FF_SSH_KEY_LOCKED},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", FF_SSH_KEY_BAD},
		{"-----BEGIN OPENSSH PRIVATE KEY-----\n!\n-----END OPENSSH PRIVATE KEY-----\n",
		 FF_SSH_KEY_BAD},
		{"", FF_SSH_KEY_BAD},
		{"hello\n", FF_SSH_KEY_BAD},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file(f->key, cases[i].text, 0600);
		assert_int_equal(kind_of(f, false), cases[i].kind);
	}
}

static void test_public_half(void **state)
{
	struct fixture *f = *state;

	write_file(f->public_key, "ssh-ed25519 AAAAC3Nz comment\n", 0644);
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_PUBLIC);
	unlink(f->public_key);
	write_file(f->key, "ssh-ed25519 AAAAC3Nz comment\n", 0644);
	assert_int_equal(kind_of(f, true), FF_SSH_KEY_PUBLIC);
}

static void test_too_open(void **state)
{
	struct fixture *f = *state;

	write_container(f, "none", "ssh-ed25519");
	chmod(f->key, 0640);
	assert_int_equal(kind_of(f, false), FF_SSH_KEY_BAD);
}

static void test_blob(void **state)
{
	struct ff_buf blob = FF_BUF_INIT;
	char type[FF_SSH_TYPE_MAX], print[FF_SSH_FINGERPRINT_MAX];

	add_blob(&blob, "ssh-ed25519");
	ff_ssh_blob_type(ff_buf_data(&blob), blob.len, type);
	assert_string_equal(type, "ssh-ed25519");
	for (size_t len = 0; len < 15; len++) {
		ff_ssh_blob_type(ff_buf_data(&blob), len, type);
		assert_string_equal(type, "");
	}
	ff_buf_release(&blob);
	/* The digest of nothing is well known. */
	ff_ssh_fingerprint((const uint8_t *)"", 0, print);
	assert_string_equal(print, "SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU");
}

static void test_base64(void **state)
{
	static const char *const bad[] = {"", "A", "AAA", "AA=A=", "!!!!"};
	size_t len = 0;
	uint8_t *bytes = ff_ssh_base64_decode("aGk=", 4, &len);

	assert_non_null(bytes);
	assert_int_equal(len, 2);
	assert_memory_equal(bytes, "hi", 2);
	ff_free(bytes);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_null(ff_ssh_base64_decode(bad[i], strlen(bad[i]), &len));
}

static void test_agent_answers(void **state)
{
	struct ff_buf inner = FF_BUF_INIT, answer = FF_BUF_INIT;
	struct ff_ssh_reader reader;
	const uint8_t *bytes;
	size_t len;

	add_string(&inner, "ssh-ed25519", 11);
	add_string(&inner, "signature", 9);
	add_string(&answer, ff_buf_data(&inner), inner.len);
	reader = (struct ff_ssh_reader){ff_buf_data(&answer), answer.len};
	assert_true(ff_ssh_agent_signature(reader, &bytes, &len));
	assert_int_equal(len, 9);
	assert_memory_equal(bytes, "signature", 9);
	for (reader.left = 0; reader.left < answer.len; reader.left++)
		assert_false(ff_ssh_agent_signature(reader, &bytes, &len));
	reader = (struct ff_ssh_reader){ff_buf_data(&inner), inner.len};
	assert_true(ff_ssh_agent_next_key(&reader, &bytes, &len));
	assert_int_equal(len, 11);
	assert_false(ff_ssh_agent_next_key(&reader, &bytes, &len));
	ff_buf_release(&inner);
	ff_buf_release(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_missing, setup, teardown),
		cmocka_unit_test_setup_teardown(test_containers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_certificate, setup, teardown),
		cmocka_unit_test_setup_teardown(test_other_formats, setup, teardown),
		cmocka_unit_test_setup_teardown(test_public_half, setup, teardown),
		cmocka_unit_test_setup_teardown(test_too_open, setup, teardown),
		cmocka_unit_test(test_blob),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_agent_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

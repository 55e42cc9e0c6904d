/* Public key blobs and key files. Everything read here is bounded and may be garbage. */
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/err.h"
#include "transport/ssh_key.h"

enum { KEY_FILE_MAX = 65536 };

static const char openssh_begin[] = "-----BEGIN OPENSSH PRIVATE KEY-----";
static const char openssh_end[] = "-----END OPENSSH PRIVATE KEY-----";
static const char openssh_magic[] = "openssh-key-v1"; /* its NUL belongs to it */

bool ff_ssh_get_u32(struct ff_ssh_reader *reader, uint32_t *number)
{
	const uint8_t *at = reader->at;

	if (reader->left < 4)
		return false;
	*number = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
	reader->at += 4;
	reader->left -= 4;
	return true;
}

bool ff_ssh_get_string(struct ff_ssh_reader *reader, const uint8_t **bytes, size_t *len)
{
	uint32_t size;

	if (!ff_ssh_get_u32(reader, &size) || size > reader->left)
		return false;
	*bytes = reader->at;
	*len = size;
	reader->at += size;
	reader->left -= size;
	return true;
}

void ff_ssh_blob_type(const uint8_t *blob, size_t len, char type[FF_SSH_TYPE_MAX])
{
	struct ff_ssh_reader reader = {blob, len};
	const uint8_t *name;
	size_t size;

	type[0] = '\0';
	if (!ff_ssh_get_string(&reader, &name, &size) || size >= FF_SSH_TYPE_MAX ||
	    memchr(name, '\0', size))
		return;
	memcpy(type, name, size);
	type[size] = '\0';
}

char *ff_ssh_base64_encode(const uint8_t *bytes, size_t len)
{
	char *text = ff_malloc((len + 2) / 3 * 4 + 1);

	if (text)
		EVP_EncodeBlock((unsigned char *)text, bytes, (int)len);
	return text;
}

uint8_t *ff_ssh_base64_decode(const char *text, size_t len, size_t *decoded_len)
{
	uint8_t *bytes;
	int size;

	if (len == 0 || len % 4 || len > KEY_FILE_MAX)
		return NULL;
	bytes = ff_malloc(len / 4 * 3);
	if (!bytes)
		return NULL;
	size = EVP_DecodeBlock(bytes, (const unsigned char *)text, (int)len);
	if (size < 0) {
		ff_free(bytes);
		return NULL;
	}
	/* The padding was decoded as zeros. */
	*decoded_len = (size_t)size - (text[len - 1] == '=') - (text[len - 2] == '=');
	return bytes;
}

void ff_ssh_fingerprint(const uint8_t *blob, size_t len, char text[FF_SSH_FINGERPRINT_MAX])
{
	static const char prefix[] = "SHA256:";
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned char encoded[EVP_MAX_MD_SIZE * 2];
	unsigned int size = 0;

	EVP_Digest(blob, len, digest, &size, EVP_sha256(), NULL);
	EVP_EncodeBlock(encoded, digest, (int)size);
	memcpy(text, prefix, sizeof(prefix));
	strncat(text, (const char *)encoded, strcspn((const char *)encoded, "="));
}

bool ff_ssh_type_is_native(const char *type)
{
	static const char *const native[] = {
		"ssh-ed25519",
		"ecdsa-sha2-nistp256",
		"ecdsa-sha2-nistp384",
		"ecdsa-sha2-nistp521",
	};

	for (size_t i = 0; i < sizeof(native) / sizeof(native[0]); i++) {
		if (!strcmp(native[i], type))
			return true;
	}
	return false;
}

/* The content as a string of at most KEY_FILE_MAX bytes; 0 or an errno. */
static int read_file(const char *path, struct ff_buf *content, struct stat *st)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int errnum = 0;
	ssize_t count = 0;

	if (fd < 0)
		return errno;
	if (fstat(fd, st) < 0)
		errnum = errno;
	else if (!S_ISREG(st->st_mode))
		errnum = EINVAL;
	while (errnum == 0) {
		uint8_t *room = ff_buf_reserve(content, 4096);

		if (!room)
			break;
		count = read(fd, room, 4096);
		if (count <= 0)
			break;
		ff_buf_added(content, (size_t)count);
	}
	if (errnum == 0 && count < 0)
		errnum = errno;
	close(fd);
	return errnum;
}

/* "ssh-ed25519 AAAA… comment" */
static void take_public(struct ff_ssh_key *key, const char *text)
{
	size_t type_len = strcspn(text, " \t\r\n");
	const char *encoded = text + type_len + strspn(text + type_len, " \t");

	key->blob = ff_ssh_base64_decode(encoded, strcspn(encoded, " \t\r\n"), &key->blob_len);
}

static bool is_public_text(const char *text)
{
	return !strncmp(text, "ssh-", 4) || !strncmp(text, "ecdsa-", 6) || !strncmp(text, "sk-", 3);
}

static void load_public(struct ff_ssh_key *key, const char *path)
{
	struct ff_buf content;
	struct stat st;
	const char *text;

	ff_buf_init(&content, KEY_FILE_MAX);
	if (read_file(path, &content, &st) == 0) {
		text = ff_buf_str(&content);
		if (text && is_public_text(text))
			take_public(key, text);
	}
	ff_buf_release(&content);
}

static void judge_type(struct ff_ssh_key *key, const char *type)
{
	if (ff_ssh_type_is_native(type)) {
		key->kind = FF_SSH_KEY_NATIVE;
		return;
	}
	key->kind = FF_SSH_KEY_PROGRAM;
	if (!strcmp(type, "ssh-rsa"))
		key->note = "RSA key";
	else if (!strncmp(type, "sk-", 3))
		key->note = "security key";
	else
		key->note = "key of a type the library can't use";
}

/* OpenSSH's own format (PROTOCOL.key): cipher, kdf, its options, a count, the public key, and the
 * private part, encrypted unless the cipher is "none". */
static bool read_openssh(struct ff_ssh_key *key, const uint8_t *bytes, size_t len)
{
	struct ff_ssh_reader reader = {bytes, len};
	const uint8_t *cipher, *skipped, *blob;
	size_t cipher_len, skipped_len, blob_len;
	uint32_t count;
	char type[FF_SSH_TYPE_MAX];

	if (len < sizeof(openssh_magic) || memcmp(bytes, openssh_magic, sizeof(openssh_magic)))
		return false;
	reader.at += sizeof(openssh_magic);
	reader.left -= sizeof(openssh_magic);
	if (!ff_ssh_get_string(&reader, &cipher, &cipher_len) ||
	    !ff_ssh_get_string(&reader, &skipped, &skipped_len) ||
	    !ff_ssh_get_string(&reader, &skipped, &skipped_len) ||
	    !ff_ssh_get_u32(&reader, &count) || count != 1 ||
	    !ff_ssh_get_string(&reader, &blob, &blob_len) || blob_len == 0)
		return false;
	ff_free(key->blob);
	key->blob = ff_malloc(blob_len);
	if (!key->blob)
		return false;
	memcpy(key->blob, blob, blob_len);
	key->blob_len = blob_len;
	ff_ssh_blob_type(blob, blob_len, type);
	judge_type(key, type);
	if (cipher_len != 4 || memcmp(cipher, "none", 4))
		key->kind = FF_SSH_KEY_LOCKED;
	return true;
}

static void judge_openssh(struct ff_ssh_key *key, const char *text)
{
	const char *at = strstr(text, openssh_begin) + strlen(openssh_begin);
	const char *end = strstr(at, openssh_end);
	char *joined = ff_malloc(strlen(at) + 1);
	uint8_t *bytes = NULL;
	size_t used = 0, len = 0;

	for (; joined && end && at < end; at++) {
		if (!strchr(" \t\r\n", *at))
			joined[used++] = *at;
	}
	if (joined)
		bytes = ff_ssh_base64_decode(joined, used, &len);
	if (!bytes || !read_openssh(key, bytes, len)) {
		key->kind = FF_SSH_KEY_BAD;
		key->note = "damaged";
	}
	ff_free(joined);
	ff_free(bytes);
}

static void judge_private(struct ff_ssh_key *key, const char *text)
{
	if (strstr(text, openssh_begin)) {
		judge_openssh(key, text);
	} else if (!strstr(text, "-----BEGIN ")) {
		key->kind = is_public_text(text) ? FF_SSH_KEY_PUBLIC : FF_SSH_KEY_BAD;
		key->note = "not a private key";
		if (key->kind == FF_SSH_KEY_PUBLIC)
			take_public(key, text);
	} else if (strstr(text, "ENCRYPTED")) {
		key->kind = FF_SSH_KEY_LOCKED;
	} else if (strstr(text, "-----BEGIN EC PRIVATE KEY-----")) {
		key->kind = FF_SSH_KEY_NATIVE;
	} else {
		key->kind = FF_SSH_KEY_PROGRAM;
		key->note = strstr(text, "RSA PRIVATE KEY") ? "RSA key" : "key file format";
	}
}

/* ssh refuses private keys that others may read; so do we, for the same reason. */
static bool is_too_open(const struct stat *st)
{
	return st->st_uid == getuid() && (st->st_mode & 077) != 0;
}

int ff_ssh_key_load(struct ff_ssh_key *key, const char *path)
{
	char *public_path = ff_asprintf("%s.pub", path);
	char *certificate = ff_asprintf("%s-cert.pub", path);
	struct ff_buf content;
	struct stat st;
	const char *text = NULL;
	int errnum;

	memset(key, 0, sizeof(*key));
	ff_buf_init(&content, KEY_FILE_MAX);
	if (!public_path || !certificate)
		goto out;
	load_public(key, public_path);
	errnum = read_file(path, &content, &st);
	text = ff_buf_str(&content);
	if (errnum == ENOENT || errnum == ENOTDIR) {
		key->kind = key->blob ? FF_SSH_KEY_PUBLIC : FF_SSH_KEY_MISSING;
	} else if (errnum != 0) {
		key->kind = FF_SSH_KEY_BAD;
		key->note = "cannot be read";
	} else if (text && is_too_open(&st) && strstr(text, "-----BEGIN ")) {
		key->kind = FF_SSH_KEY_BAD;
		key->note = "ignored: others may read it";
	} else if (text) {
		judge_private(key, text);
		if (key->kind == FF_SSH_KEY_NATIVE && access(certificate, F_OK) == 0) {
			key->kind = FF_SSH_KEY_PROGRAM;
			key->note = "certificate";
		}
	}
out:
	ff_buf_release(&content);
	ff_free(public_path);
	ff_free(certificate);
	return text ? 0 : FF_ENOMEM;
}

void ff_ssh_key_release(struct ff_ssh_key *key)
{
	ff_free(key->blob);
	key->blob = NULL;
}

#include "web/http.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "event/json.h"
#include "web/assets.h"

enum { COMPRESSED_FROM = 1400 }; /* bytes; less fits a packet anyway */

const char *ff_web_header(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
}

const char *ff_web_argument(struct MHD_Connection *connection, const char *name)
{
	return MHD_lookup_connection_value(connection, MHD_GET_ARGUMENT_KIND, name);
}

uint64_t ff_web_number(const char *text, uint64_t otherwise)
{
	size_t len = text ? strspn(text, "0123456789") : 0;

	return len > 0 && len < 20 && !text[len] ? strtoull(text, NULL, 10) : otherwise;
}

/* --- who may ask --- */

void ff_web_guard_init(struct ff_web_guard *guard, const char *address, unsigned port,
		       const char *token)
{
	bool six = strchr(address, ':');
	bool any = strcmp(address, "0.0.0.0") == 0 || strcmp(address, "::") == 0;

	*guard = (struct ff_web_guard){0};
	if (!any) {
		guard->hosts[0] = ff_xasprintf(six ? "[%s]:%u" : "%s:%u", address, port);
		guard->hosts[1] = ff_xasprintf("localhost:%u", port);
		guard->hosts[2] = ff_xasprintf(six ? "[%s]" : "%s", address); /* port 80, 443 */
	}
	guard->token = ff_xstrdup(token);
	guard->cookie = token ? ff_xasprintf("farflung-%u", port) : NULL;
}

void ff_web_guard_release(struct ff_web_guard *guard)
{
	for (int i = 0; i < 3; i++)
		ff_free(guard->hosts[i]);
	ff_free(guard->token);
	ff_free(guard->cookie);
}

/* What a browser sends over TLS by a name that the certificate has is meant for us: no other site
 * can make its own name point here. */
static bool is_certified(const struct ff_web_guard *guard, const char *host)
{
	bool six = *host == '[', certified;
	char *name = ff_xstrndup(host + six, strcspn(host + six, six ? "]" : ":"));

	certified = guard->pair && ff_web_pair_names(guard->pair, name);
	ff_free(name);
	return certified;
}

static bool is_ours(const struct ff_web_guard *guard, const char *host)
{
	for (int i = 0; i < 3; i++)
		if (guard->hosts[i] && strcasecmp(guard->hosts[i], host) == 0)
			return true;
	return !guard->hosts[0] || is_certified(guard, host);
}

const char *ff_web_guard_host(const struct ff_web_guard *guard, struct MHD_Connection *connection)
{
	const char *host = ff_web_header(connection, "Host");
	const char *origin = ff_web_header(connection, "Origin");
	const char *site = ff_web_header(connection, "Sec-Fetch-Site");
	const char *scheme = guard->pair ? "https://" : "http://";

	if (!host || !is_ours(guard, host))
		return "this server is asked for by another name";
	if (origin && (strncmp(origin, scheme, strlen(scheme)) != 0 ||
		       strcasecmp(origin + strlen(scheme), host) != 0))
		return "another site's page asks";
	/* A link that somebody follows comes from anywhere; what a page loads does not. */
	if (site && strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0 &&
	    strcmp(ff_web_header(connection, "Sec-Fetch-Mode") ?: "", "navigate") != 0)
		return "another site's page asks";
	return NULL;
}

static bool same(const char *a, const char *b)
{
	size_t len = strlen(b);

	return a && strlen(a) == len && CRYPTO_memcmp(a, b, len) == 0;
}

enum ff_web_token ff_web_guard_token(const struct ff_web_guard *guard,
				     struct MHD_Connection *connection)
{
	if (!guard->token)
		return FF_WEB_TOKEN_FINE;
	if (same(ff_web_argument(connection, "token"), guard->token))
		return FF_WEB_TOKEN_GIVEN;
	if (same(MHD_lookup_connection_value(connection, MHD_COOKIE_KIND, guard->cookie),
		 guard->token))
		return FF_WEB_TOKEN_FINE;
	return FF_WEB_TOKEN_LACKS;
}

enum MHD_Result ff_web_welcome(const struct ff_web_guard *guard, struct MHD_Connection *connection,
			       const char *path)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(0, (void *)"", MHD_RESPMEM_PERSISTENT);
	char *cookie = ff_xasprintf("%s=%s; Path=/; HttpOnly; SameSite=Strict%s", guard->cookie,
				    guard->token, guard->pair ? "; Secure" : "");
	/* No other site: "//host" would be one. */
	bool inside = path[0] == '/' && path[1] != '/' && path[1] != '\\';

	MHD_add_response_header(response, "Set-Cookie", cookie);
	MHD_add_response_header(response, "Location", inside ? path : "/");
	ff_free(cookie);
	return ff_web_send(connection, 303, response, "text/plain", NULL);
}

/* --- answers --- */

enum MHD_Result ff_web_send(struct MHD_Connection *connection, unsigned status,
			    struct MHD_Response *response, const char *type, const char *policy)
{
	static const char *const always[][2] = {
		{"X-Content-Type-Options", "nosniff"},
		{"Referrer-Policy", "no-referrer"},
		{"Cross-Origin-Resource-Policy", "same-origin"},
		{"Cross-Origin-Opener-Policy", "same-origin"},
		{"X-Frame-Options", "DENY"},
		{"Cache-Control", "no-store"},
	};
	enum MHD_Result result;

	MHD_add_response_header(response, "Content-Type", type);
	MHD_add_response_header(response, "Content-Security-Policy",
				policy ? policy : "default-src 'none'; frame-ancestors 'none'");
	for (size_t i = 0; i < sizeof(always) / sizeof(*always); i++)
		MHD_add_response_header(response, always[i][0], always[i][1]);
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static bool takes_gzip(struct MHD_Connection *connection)
{
	const char *takes = ff_web_header(connection, "Accept-Encoding");

	return takes && strstr(takes, "gzip") && !strstr(takes, "gzip;q=0");
}

/* In gzip's format; NULL: it did not work. */
static unsigned char *gzip(const struct ff_buf *text, size_t *len)
{
	z_stream stream = {0};
	unsigned char *packed = NULL;
	uLong room;

	if (deflateInit2(&stream, 3, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return NULL;
	room = deflateBound(&stream, (uLong)text->len);
	packed = malloc(room); /* libmicrohttpd frees it */
	stream.next_in = ff_buf_data(text);
	stream.avail_in = (uInt)text->len;
	stream.next_out = packed;
	stream.avail_out = (uInt)room;
	if (packed && deflate(&stream, Z_FINISH) != Z_STREAM_END) {
		free(packed);
		packed = NULL;
	}
	*len = stream.total_out;
	deflateEnd(&stream);
	return packed;
}

enum MHD_Result ff_web_send_text(struct MHD_Connection *connection, unsigned status,
				 const struct ff_buf *text, const char *type, const char *policy)
{
	struct MHD_Response *response = NULL;
	unsigned char *packed = NULL;
	size_t len = 0;

	if (text->len >= COMPRESSED_FROM && text->len < UINT32_MAX && takes_gzip(connection))
		packed = gzip(text, &len);
	if (packed) {
		response = MHD_create_response_from_buffer(len, packed, MHD_RESPMEM_MUST_FREE);
		MHD_add_response_header(response, "Content-Encoding", "gzip");
		MHD_add_response_header(response, "Vary", "Accept-Encoding");
	} else {
		response = MHD_create_response_from_buffer(text->len, ff_buf_data(text),
							   MHD_RESPMEM_MUST_COPY);
	}
	return ff_web_send(connection, status, response, type, policy);
}

enum MHD_Result ff_web_refuse(struct MHD_Connection *connection, unsigned status, const char *why)
{
	struct ff_buf text = FF_BUF_INIT;
	enum MHD_Result result;
	struct ff_json json;

	ff_json_begin(&json, &text);
	ff_json_str(&json, "error", why);
	ff_json_end(&json);
	result = ff_web_send_text(connection, status, &text, "application/json", NULL);
	ff_buf_release(&text);
	return result;
}

enum MHD_Result ff_web_send_asset(struct MHD_Connection *connection, const char *name)
{
	const struct ff_asset *asset = NULL;
	const char *type = "text/javascript; charset=utf-8";
	size_t len = strlen(name);
	struct ff_buf text = FF_BUF_INIT;
	enum MHD_Result result;

	for (const struct ff_asset *at = ff_asset_modules; at->name; at++)
		if (strlen(at->name) + 3 == len && !strncmp(at->name, name, len - 3) &&
		    strcmp(name + len - 3, ".js") == 0)
			asset = at;
	if (strcmp(name, "style.css") == 0) {
		asset = &ff_asset_style;
		type = "text/css; charset=utf-8";
	}
	if (!asset)
		return ff_web_refuse(connection, 404, "there is no such file");
	ff_buf_add(&text, asset->bytes, *asset->len);
	result = ff_web_send_text(connection, 200, &text, type, NULL);
	ff_buf_release(&text);
	return result;
}

/* 'sha256-…', by which a policy allows a script that stands in the page. */
static void add_hash(struct ff_buf *out, const struct ff_buf *script)
{
	unsigned char digest[EVP_MAX_MD_SIZE], text[EVP_MAX_MD_SIZE * 2];
	unsigned len = 0;

	EVP_Digest(ff_buf_data(script), script->len, digest, &len, EVP_sha256(), NULL);
	EVP_EncodeBlock(text, digest, (int)len);
	ff_buf_addf(out, "'sha256-%s'", text);
}

char *ff_web_page(struct ff_buf *out)
{
	struct ff_buf map = FF_BUF_INIT, policy = FF_BUF_INIT;

	ff_buf_addstr(&map, "{\"imports\":{");
	for (const struct ff_asset *at = ff_asset_modules; at->name; at++)
		ff_buf_addf(&map, "%s\"farflung/%s\":\"/assets/%s.js\"",
			    at == ff_asset_modules ? "" : ",", at->name, at->name);
	ff_buf_addstr(&map, "}}");
	ff_buf_addstr(
		&policy,
		"default-src 'none'; style-src 'self'; img-src data:; connect-src 'self'; base-uri "
		"'none'; form-action 'none'; frame-ancestors 'none'; script-src 'self' ");
	add_hash(&policy, &map);
	ff_buf_addstr(out,
		      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		      "<title>farflung</title>\n"
		      "<link rel=\"stylesheet\" href=\"/assets/style.css\">\n"
		      "<link rel=\"icon\" href=\"data:,\">\n"
		      "<script type=\"importmap\">");
	ff_buf_add(out, ff_buf_data(&map), map.len);
	ff_buf_addstr(out, "</script>\n<script type=\"module\" src=\"/assets/main.js\"></script>\n"
			   "</head>\n<body>\n<noscript>This page needs JavaScript.</noscript>\n"
			   "<div id=\"app\"></div>\n</body>\n</html>\n");
	ff_buf_release(&map);
	return ff_buf_take(&policy);
}

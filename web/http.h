/* What the server's answers have in common: who may ask, headers, compression, assets. */
#ifndef FF_WEB_HTTP_H
#define FF_WEB_HTTP_H

#include <sys/types.h>

#include <microhttpd.h>
#include <stdint.h>

#include "base/buf.h"
#include "web/pair.h"

/* NULL: it is not there. */
const char *ff_web_header(struct MHD_Connection *connection, const char *name);
const char *ff_web_argument(struct MHD_Connection *connection, const char *name);
/* All of `text` as a decimal number, else `otherwise`. */
uint64_t ff_web_number(const char *text, uint64_t otherwise);

/* --- who may ask --- */

struct ff_web_guard {
	char *hosts[3]; /* as a browser may name us; NULL: any (an address of all interfaces) */
	char *token, *cookie; /* NULL: nothing is asked for; the cookie's name has the port */
	const struct ff_web_pair *pair; /* over TLS; may be asked by the certificate's names */
};

void ff_web_guard_init(struct ff_web_guard *guard, const char *address, unsigned port,
		       const char *token);
void ff_web_guard_release(struct ff_web_guard *guard);
/* Host and Origin must be ours: another site's page, or a name that was made to point here, may not
 * ask. NULL: they are; else why not. */
const char *ff_web_guard_host(const struct ff_web_guard *guard, struct MHD_Connection *connection);
enum ff_web_token { FF_WEB_TOKEN_FINE, FF_WEB_TOKEN_GIVEN, FF_WEB_TOKEN_LACKS };
/* GIVEN: by the address: it is to be kept in a cookie. */
enum ff_web_token ff_web_guard_token(const struct ff_web_guard *guard,
				     struct MHD_Connection *connection);
/* Sets the cookie, and sends the browser to `path` without the token. */
enum MHD_Result ff_web_welcome(const struct ff_web_guard *guard, struct MHD_Connection *connection,
			       const char *path);

/* --- answers --- */

/* Takes the response over. `policy`: a Content-Security-Policy; NULL: one that allows nothing. */
enum MHD_Result ff_web_send(struct MHD_Connection *connection, unsigned status,
			    struct MHD_Response *response, const char *type, const char *policy);
/* A copy of `text`, compressed if the browser takes that. */
enum MHD_Result ff_web_send_text(struct MHD_Connection *connection, unsigned status,
				 const struct ff_buf *text, const char *type, const char *policy);
/* {"error": "…"} */
enum MHD_Result ff_web_refuse(struct MHD_Connection *connection, unsigned status, const char *why);
/* "main.js", "style.css" */
enum MHD_Result ff_web_send_asset(struct MHD_Connection *connection, const char *name);
/* The page that loads the assets; gives its policy, the caller's to free. */
char *ff_web_page(struct ff_buf *out);

#endif

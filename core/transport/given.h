/* A line that is there already: a connected socket, at whose other end somebody runs what socket
 * servers are sent. */
#ifndef FF_TRANSPORT_GIVEN_H
#define FF_TRANSPORT_GIVEN_H

#include "transport/transport.h"

/* Not among ff_transports: no xspec names it, struct ff_open_opts does. */
extern const struct ff_transport ff_transport_given;

#endif

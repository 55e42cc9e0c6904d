/* Lines through another gateway of the group: a proxy on its worker runs the program. */
#ifndef FF_TRANSPORT_VIA_H
#define FF_TRANSPORT_VIA_H

#include "transport/transport.h"

/* The gateway that spec->via names must be open. */
extern const struct ff_transport ff_transport_via;

#endif

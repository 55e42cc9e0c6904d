/* Lines to a socket server, which executes the source line that it is sent. */
#ifndef FF_TRANSPORT_SOCKET_H
#define FF_TRANSPORT_SOCKET_H

#include "transport/transport.h"

extern const struct ff_transport ff_transport_socket;

/* Sent instead of the python worker's line, it asks `farflung socketserver` for the native worker.
 * Servers that don't know it execute it as the Python that it is. */
#define FF_SOCKET_NATIVE_LINE                                                                      \
	"\"clientsock.sendall(b'farflung-no " FF_SOCKET_NO_NATIVE "\\\\n')\"  # farflung-native\n"
#define FF_SOCKET_NO_NATIVE "native worker here"

#endif

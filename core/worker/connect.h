/* `farflung-worker --connect HOST PORT`: stdin and stdout become a connection to there, for
 * gateways that reach a socket server through this host. */
#ifndef FF_WORKER_CONNECT_H
#define FF_WORKER_CONNECT_H

/* Says "+" when it is connected, then passes bytes on until the other side ends. Gives the exit
 * status: 1 with words on stderr if it can't. */
int ff_connect_run(const char *host, const char *port);

#endif

/* Hostile peers: what limits.c starts at the other end of a gateway. */
#ifndef FF_CONFORM_LIMITS_PEERS_H
#define FF_CONFORM_LIMITS_PEERS_H

/* Behaves as the peer of that name until it is killed, or nobody reads what it writes. */
int limits_peer(const char *name);

#endif

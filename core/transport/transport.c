/* The registry of drivers. */
#include "transport/command.h"
#include "transport/popen.h"
#include "transport/socket.h"
#include "transport/transport.h"
#include "transport/via.h"

extern const struct ff_transport ff_transport_ssh;

/* via first: it takes the specs of others. */
const struct ff_transport *const ff_transports[] = {
	&ff_transport_via,	   &ff_transport_popen,
	&ff_transport_ssh,	   &ff_transport_socket,
	&ff_transport_vagrant_ssh, &ff_transport_docker,
	&ff_transport_podman,	   &ff_transport_kubectl,
	&ff_transport_srun,	   NULL,
};

const struct ff_transport *ff_transport_find(const struct ff_xspec *spec, struct ff_err *err)
{
	int keys = !!spec->popen + !!spec->ssh + !!spec->socket + !!spec->vagrant_ssh +
		   !!spec->docker + !!spec->podman + !!spec->kubectl + !!spec->srun;

	for (int i = 0; keys == 1 && ff_transports[i]; i++) {
		if (ff_transports[i]->handles(spec))
			return ff_transports[i];
	}
	ff_err_set(err, FF_EINVAL, "no gateway type found for '%s'%s", spec->text,
		   keys > 1 ? ": it names several" : "");
	return NULL;
}

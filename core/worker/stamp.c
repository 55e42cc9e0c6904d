/* The built-in `stamp`: whether a command has to be run again, and that it has been. */
#include "rsync/stamp.h"

#include "worker/exec.h"
#include "worker/worker.h"

int ff_builtin_stamp(struct ff_worker *worker, struct ff_channel *channel,
		     const struct ff_request *request, struct ff_err *err)
{
	bool writes = ff_dict_get(request->kwargs, "write") != NULL;
	struct ff_stamp stamp;
	struct ff_pack pack;
	int rc = writes ? ff_stamp_write(&stamp, request->kwargs, err)
			: ff_stamp_check(&stamp, request->kwargs, err);

	if (rc)
		return rc;
	ff_exec_pack(worker, &pack);
	ff_pack_open(&pack, FF_TUPLE);
	ff_pack_str(&pack, "stamp");
	ff_pack_str(&pack, stamp.digest);
	ff_pack_bool(&pack, stamp.fresh);
	ff_pack_bytes(&pack, ff_buf_data(&stamp.kept), stamp.kept.len);
	ff_pack_close(&pack);
	rc = ff_pack_done(&pack);
	if (!rc)
		rc = ff_channel_send_packed(channel, &worker->scratch, err);
	ff_stamp_release(&stamp);
	return rc ? ff_err_set(err, rc, "stamp: %s", ff_err_text(rc)) : FF_EXEC_DONE;
}

/* farflung.h - the public face of libfarflung: execnet's gateways, channels and groups in C.
 *
 *     struct ff_err err = {0};
 *     struct ff_loop *loop = ff_loop_new(&err);
 *     struct ff_group *group = ff_open_group(loop, &err);
 *     struct ff_gateway *gw = ff_makegateway(group, "popen//python=python3", &err);
 *     struct ff_channel *ch = ff_gateway_remote_exec(
 *             gw, &(struct ff_task){.source = "channel.send(6 * 7)"}, &err);
 *     struct ff_item item = FF_ITEM_INIT;
 *     ff_channel_receive(ch, 5000, &item, &err);
 *     ff_item_release(&item);
 *     ff_channel_unref(ch);
 *     ff_group_terminate(group, 5000);
 *     ff_group_free(group);
 *     ff_loop_free(loop);
 *
 * How long something takes is said in milliseconds (…_ms; negative: for ever). Moments are
 * microseconds of a monotonic clock (…_us, base/clock.h), and so is all that who carries bytes himself
 * tells gateways and groups of his time.
 *
 * What is closed, freed or released may be NULL: nothing is done then, and 0 returned.
 *
 * A loop, its groups and what belongs to them are one thread's at a time; several threads may have
 * a loop each. What other threads may call is in io/post.h. Nothing prints, save traces that
 * FARFLUNG_DEBUG asks for (io/trace.h). See libfarflung(3) and farflung(3). */
#ifndef FARFLUNG_H
#define FARFLUNG_H

/* What the headers below include, before they are told that they are C. */
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/strv.h"
#include "base/version.h"
#include "gateway/channel.h"
#include "gateway/channel_file.h"
#include "gateway/exec.h"
#include "gateway/gateway.h"
#include "gateway/group.h"
#include "gateway/multichannel.h"
#include "gateway/names.h"
#include "gateway/names_client.h"
#include "gateway/talk.h"
#include "io/embed.h"
#include "io/loop.h"
#include "io/post.h"
#include "io/std.h"
#include "io/trace.h"
#include "rsync/send.h"
#include "rsync/tree.h"
#include "transport/exec.h"
#include "transport/exec_import.h"
#include "transport/open.h"
#include "wire/serialize.h"
#include "wire/task.h"
#include "wire/value.h"
#include "wire/xspec.h"

#ifdef __cplusplus
}
#endif

#endif

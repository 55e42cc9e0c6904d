/* The gateways of one program: ids, order, and their common end. It starts and frees nothing by
 * itself: the driver does. */
#include "gateway/private.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/map.h"

/* What the group knows about one gateway. */
struct member {
	struct ff_list closed; /* in group->closed from its end to its release */
	struct ff_gateway *gateway;
	size_t index;
	struct member *parents[2]; /* whom it goes via; set while terminating */
	size_t children;	   /* open ones that go via it */
	bool ended;		   /* told to exit, or found closed */
	bool killed;
	bool left; /* by ff_gateway_exit: ends with the others, and is not shown any more */
};

struct ff_group {
	const struct ff_group_driver *driver;
	void *ctx;
	char *default_spec;
	struct ff_map by_id;
	struct member **members; /* in order of adding, with holes */
	size_t slots, cap, len;
	size_t gone; /* of len, those that left */
	void (*notify)(void *ctx);
	void *notify_ctx;
	char *execmodel;
	struct ff_list closed;
	uint32_t next_id;
	bool terminating;
	int64_t timeout_ms; /* until the first tick knows the time; -1: none or known */
	int64_t deadline_us;
};

struct ff_group *ff_group_new(const struct ff_group_driver *driver, void *ctx)
{
	struct ff_group *group = ff_calloc(1, sizeof(*group));

	if (!group)
		return NULL;
	group->driver = driver;
	group->ctx = ctx;
	group->timeout_ms = -1;
	group->deadline_us = FF_NEVER_US;
	ff_map_init(&group->by_id);
	ff_list_init(&group->closed);
	return group;
}

void *ff_group_ctx(const struct ff_group *group)
{
	return group->ctx;
}

const struct ff_group_driver *ff_group_driver(const struct ff_group *group)
{
	return group->driver;
}

/* --- members --- */

int ff_group_allocate_id(struct ff_group *group, struct ff_xspec *spec, struct ff_err *err)
{
	char id[32];
	int rc;

	if (spec->id) {
		if (!*spec->id)
			return ff_err_set(err, FF_EINVAL, "gateway id is empty");
		if (ff_map_get(&group->by_id, spec->id))
			return ff_err_set(err, FF_EEXISTS, "gateway id '%s' is taken", spec->id);
		return 0;
	}
	do
		snprintf(id, sizeof(id), "gw%u", group->next_id++);
	while (ff_map_get(&group->by_id, id));
	rc = ff_xspec_set(spec, "id", id);
	return rc ? ff_err_set(err, rc, "gateway id: %s", ff_err_text(rc)) : 0;
}

static void compact(struct ff_group *group)
{
	size_t from, to = 0;

	for (from = 0; from < group->slots; from++) {
		if (!group->members[from])
			continue;
		group->members[to] = group->members[from];
		group->members[to]->index = to;
		to++;
	}
	group->slots = to;
}

static int make_room(struct ff_group *group)
{
	size_t cap = group->cap ? group->cap * 2 : 16;
	struct member **members;

	if (group->slots < group->cap)
		return 0;
	members = ff_realloc(group->members, cap * sizeof(struct member *));
	if (!members)
		return FF_ENOMEM;
	group->members = members;
	group->cap = cap;
	return 0;
}

int ff_group_add(struct ff_group *group, struct ff_gateway *gateway, struct ff_err *err)
{
	const char *id = ff_gateway_id(gateway);
	struct member *member;

	if (group->terminating)
		return ff_err_set(err, FF_ECLOSED, "gateway %s: the group is terminating", id);
	if (ff_map_get(&group->by_id, id))
		return ff_err_set(err, FF_EEXISTS, "gateway id '%s' is taken", id);
	member = ff_calloc(1, sizeof(*member));
	if (!member || make_room(group) || ff_map_set(&group->by_id, id, member)) {
		ff_free(member);
		return ff_err_set(err, FF_ENOMEM, "gateway %s: %s", id, ff_err_text(FF_ENOMEM));
	}
	ff_list_init(&member->closed);
	member->gateway = gateway;
	member->index = group->slots;
	group->members[group->slots++] = member;
	group->len++;
	gateway->member = member;
	ff_gateway_set_group(gateway, group);
	if (ff_gateway_state(gateway) == FF_GATEWAY_CLOSED)
		ff_group_member_closed(group, gateway);
	return 0;
}

static void end_member(struct ff_group *group, struct member *member);

/* One that goes via `parent` is down; the last one lets the parent go. */
static void child_closed(struct ff_group *group, struct member *parent)
{
	if (parent && parent->children && !--parent->children && group->terminating)
		end_member(group, parent);
}

static void leave_parents(struct ff_group *group, struct member *member)
{
	size_t i;

	for (i = 0; i < 2; i++) {
		struct member *parent = member->parents[i];

		member->parents[i] = NULL;
		child_closed(group, parent);
	}
}

/* A member that leaves while others still name it as their parent: only in a termination. */
static void forget_parent(struct ff_group *group, const struct member *parent)
{
	size_t i, k;

	if (!parent->children)
		return;
	for (i = 0; i < group->slots; i++) {
		for (k = 0; group->members[i] && k < 2; k++) {
			if (group->members[i]->parents[k] == parent)
				group->members[i]->parents[k] = NULL;
		}
	}
}

void ff_group_remove(struct ff_group *group, struct ff_gateway *gateway)
{
	struct member *member = gateway->member;

	if (gateway->group != group || !member)
		return;
	if (member->left)
		group->gone--;
	else
		ff_map_del(&group->by_id, ff_gateway_id(gateway));
	group->members[member->index] = NULL;
	if (--group->len < group->slots / 2)
		compact(group);
	gateway->member = NULL;
	ff_gateway_set_group(gateway, NULL);
	ff_list_del(&member->closed);
	leave_parents(group, member);
	forget_parent(group, member);
	ff_free(member);
}

void ff_group_member_left(struct ff_group *group, struct ff_gateway *gateway)
{
	struct member *member = gateway->member;

	if (!member || member->left)
		return;
	ff_map_del(&group->by_id, ff_gateway_id(gateway));
	member->left = true;
	group->gone++;
}

size_t ff_group_len(const struct ff_group *group)
{
	return group->len - group->gone;
}

struct ff_gateway *ff_group_at(const struct ff_group *group, size_t index)
{
	size_t i;

	if (index >= ff_group_len(group))
		return NULL;
	if (group->slots != group->len)
		compact((struct ff_group *)group); /* not visible from outside */
	for (i = group->gone ? 0 : index; i < group->slots; i++)
		if (!group->gone || (!group->members[i]->left && !index--))
			break;
	return group->members[i]->gateway;
}

struct ff_gateway *ff_group_get(const struct ff_group *group, const char *id)
{
	struct member *member = ff_map_get(&group->by_id, id);

	return member ? member->gateway : NULL;
}

const char *ff_group_default_spec(const struct ff_group *group)
{
	return group->default_spec ? group->default_spec : "popen";
}

int ff_group_set_default_spec(struct ff_group *group, const char *spec)
{
	char *copy = ff_strdup(spec);

	if (!copy)
		return FF_ENOMEM;
	ff_free(group->default_spec);
	group->default_spec = copy;
	return 0;
}

static bool is_execmodel(const char *model)
{
	static const char *const models[] = {"thread", "main_thread_only", "gevent", "eventlet"};

	for (size_t i = 0; i < sizeof(models) / sizeof(models[0]); i++)
		if (strcmp(model, models[i]) == 0)
			return true;
	return false;
}

int ff_group_set_execmodel(struct ff_group *group, const char *local, const char *remote,
			   struct ff_err *err)
{
	const char *wrong = local && !is_execmodel(local) ? local : remote;
	char *copy;

	remote = remote ? remote : local;
	if (!remote || (wrong && !is_execmodel(wrong)))
		return ff_err_set(err, FF_EINVAL, "unknown execution model '%s'",
				  wrong ? wrong : "");
	if (local && strcmp(local, "thread") != 0)
		return ff_err_set(err, FF_EUNSUPPORTED, "here all is 'thread', not '%s'", local);
	if (group->len)
		return ff_err_set(err, FF_EEXISTS,
				  "execution models are chosen before gateways are made");
	copy = ff_strdup(remote);
	if (!copy)
		return ff_err_set(err, FF_ENOMEM, "%s", ff_err_text(FF_ENOMEM));
	ff_free(group->execmodel);
	group->execmodel = copy;
	return 0;
}

const char *ff_group_execmodel(const struct ff_group *group)
{
	return group->execmodel ? group->execmodel : "thread";
}

/* --- termination --- */

void ff_group_member_closed(struct ff_group *group, struct ff_gateway *gateway)
{
	struct member *member = gateway->member;

	if (member && ff_list_empty(&member->closed))
		ff_list_add_tail(&group->closed, &member->closed);
	if (group->notify)
		group->notify(group->notify_ctx);
}

static void kill_member(struct ff_group *group, struct member *member)
{
	static const struct ff_err killed = {FF_ETIMEOUT, "killed: it did not end in time"};

	if (member->killed || ff_gateway_state(member->gateway) == FF_GATEWAY_CLOSED)
		return;
	member->killed = true;
	if (ff_log_on())
		ff_log("%s: killing it", ff_gateway_id(member->gateway));
	if (group->driver && group->driver->kill)
		group->driver->kill(group->ctx, member->gateway);
	else
		ff_gateway_lost(member->gateway, &killed);
}

static void end_member(struct ff_group *group, struct member *member)
{
	if (member->ended)
		return;
	member->ended = true;
	if (ff_gateway_state(member->gateway) == FF_GATEWAY_OPENING)
		kill_member(group, member);
	else
		ff_gateway_send_exit(member->gateway);
}

static void adopt(struct ff_group *group, struct member *member, size_t slot, const char *via)
{
	struct member *parent = via ? ff_map_get(&group->by_id, via) : NULL;

	if (!parent || parent == member)
		return;
	member->parents[slot] = parent;
	parent->children++;
}

/* Calls `fn` for each member; it may take members out. */
static void each_member(struct ff_group *group, void (*fn)(struct ff_group *, struct member *))
{
	size_t i;

	/* Backwards: compacting in between may show one twice, which harms nobody, but skips none.
	 */
	for (i = group->slots; i-- > 0;) {
		if (i < group->slots && group->members[i])
			fn(group, group->members[i]);
	}
}

static void find_parents(struct ff_group *group, struct member *member)
{
	const struct ff_xspec *spec = ff_gateway_spec(member->gateway);

	if (!spec || ff_gateway_state(member->gateway) == FF_GATEWAY_CLOSED)
		return;
	adopt(group, member, 0, spec->via);
	adopt(group, member, 1, spec->installvia);
}

static void end_childless(struct ff_group *group, struct member *member)
{
	if (!member->children)
		end_member(group, member);
}

void ff_group_begin_terminate(struct ff_group *group, int64_t timeout_ms)
{
	int64_t deadline_us = FF_NEVER_US;

	if (group->driver) {
		deadline_us = ff_deadline_after(group->driver, group->ctx, timeout_ms);
		if (deadline_us < group->deadline_us)
			group->deadline_us = deadline_us;
	} else if (timeout_ms >= 0) {
		group->timeout_ms = timeout_ms;
	}
	if (group->terminating)
		return;
	group->terminating = true;
	each_member(group, find_parents);
	each_member(group, end_childless);
}

/* Lets those go that have closed. Members inside a callback of theirs wait for the next call. */
static void release_closed(struct ff_group *group)
{
	struct ff_list busy;

	ff_list_init(&busy);
	while (!ff_list_empty(&group->closed)) {
		struct member *member = ff_container_of(group->closed.next, struct member, closed);
		struct ff_gateway *gateway = member->gateway;

		ff_list_del(&member->closed);
		if (gateway->depth) {
			ff_list_add_tail(&busy, &member->closed);
			continue;
		}
		ff_group_remove(group, gateway);
		if (group->driver && group->driver->release)
			group->driver->release(group->ctx, gateway);
	}
	while (!ff_list_empty(&busy)) {
		struct ff_list *node = busy.next;

		ff_list_del(node);
		ff_list_add_tail(&group->closed, node);
	}
}

bool ff_group_tick(struct ff_group *group, int64_t now_us)
{
	if (!group->terminating)
		return !group->len;
	if (group->timeout_ms >= 0) {
		group->deadline_us = now_us + group->timeout_ms * 1000;
		group->timeout_ms = -1;
	}
	release_closed(group);
	if (group->len && now_us >= group->deadline_us) {
		group->deadline_us = FF_NEVER_US;
		each_member(group, kill_member);
		release_closed(group);
	}
	if (group->len)
		return false;
	group->terminating = false;
	group->deadline_us = FF_NEVER_US;
	return true;
}

void ff_group_set_notify(struct ff_group *group, void (*fn)(void *ctx), void *ctx)
{
	group->notify = fn;
	group->notify_ctx = ctx;
}

bool ff_group_has_notify(const struct ff_group *group)
{
	return group->notify;
}

int64_t ff_group_deadline(const struct ff_group *group)
{
	if (!group->terminating)
		return FF_NEVER_US;
	return ff_list_empty(&group->closed) ? group->deadline_us : 0;
}

int ff_group_terminate(struct ff_group *group, int64_t timeout_ms)
{
	const struct ff_group_driver *driver = group->driver;
	int rc = 0;

	/* A call that is refused shall have done nothing: a turn without waiting tells. */
	if (driver && group->len)
		rc = driver->run_once(group->ctx, driver->now_us(group->ctx));
	if (rc)
		return rc;
	ff_group_begin_terminate(group, timeout_ms);
	while (!ff_group_tick(group, driver ? driver->now_us(group->ctx) : 0)) {
		if (!driver)
			return FF_EUNSUPPORTED;
		rc = driver->run_once(group->ctx, ff_group_deadline(group));
		if (rc)
			return rc;
	}
	return 0;
}

int ff_group_wait(struct ff_group *group, bool (*done)(void *ctx), void *ctx, int64_t timeout_ms,
		  struct ff_err *err)
{
	const struct ff_group_driver *driver = group ? group->driver : NULL;
	int64_t deadline_us;
	bool ran = false;
	int rc;

	if (done(ctx))
		return 0;
	if (!driver)
		return ff_err_set(err, FF_EUNSUPPORTED, "there is no loop to wait in");
	deadline_us = ff_deadline_after(driver, group->ctx, timeout_ms);
	do {
		if (ran && driver->now_us(group->ctx) >= deadline_us)
			return ff_err_set(err, FF_ETIMEOUT, "%s", ff_err_text(FF_ETIMEOUT));
		ran = true;
		rc = driver->run_once(group->ctx, deadline_us);
		if (rc)
			return ff_err_set(err, rc, "%s", ff_err_text(rc));
	} while (!done(ctx));
	return 0;
}

int ff_group_builtin(const struct ff_gateway *gateway, const char *name, struct ff_task *task,
		     struct ff_err *err)
{
	const struct ff_group *group = gateway->group;

	if (!group || !group->driver || !group->driver->builtin)
		return ff_err_set(err, FF_EUNSUPPORTED, "%s: '%s' is not known there", gateway->id,
				  name);
	return group->driver->builtin(group->ctx, gateway, name, task, err);
}

void ff_group_free(struct ff_group *group)
{
	if (!group)
		return;
	while (group->driver && ff_group_terminate(group, 0) == FF_ECANCELED)
		;
	while (group->len) {
		compact(group);
		ff_group_remove(group, group->members[0]->gateway);
	}
	ff_map_release(&group->by_id);
	ff_free(group->members);
	ff_free(group->default_spec);
	ff_free(group->execmodel);
	ff_free(group);
}

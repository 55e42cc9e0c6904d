/* Intrusive doubly linked list. A node sits in the object; the head is a node of its own. */
#ifndef FF_BASE_LIST_H
#define FF_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct ff_list {
	struct ff_list *prev, *next;
};

#define ff_container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline void ff_list_init(struct ff_list *head)
{
	head->prev = head->next = head;
}

static inline bool ff_list_empty(const struct ff_list *head)
{
	return head->next == head;
}

static inline void ff_list_add_tail(struct ff_list *head, struct ff_list *node)
{
	node->prev = head->prev;
	node->next = head;
	head->prev->next = node;
	head->prev = node;
}

static inline void ff_list_add_head(struct ff_list *head, struct ff_list *node)
{
	ff_list_add_tail(head->next, node);
}

/* Unlinks `node` and leaves it as an empty list, so that removing twice is harmless. */
static inline void ff_list_del(struct ff_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	ff_list_init(node);
}

#define ff_list_for_each(pos, head) for (pos = (head)->next; pos != (head); pos = pos->next)
/* `pos` may be removed (and freed) in the body; `tmp` may not. */
#define ff_list_for_each_safe(pos, tmp, head)                                                      \
	for (pos = (head)->next, tmp = pos->next; pos != (head); pos = tmp, tmp = pos->next)

#endif

/*-------------------------------------------------------------------------
 *
 * net.c
 *	  What a set of changes amounts to, row by row.
 *
 * Changes are added in an order in which those of a transaction follow each
 * other, as do those of a row; a row that is locked is changed by one
 * transaction at a time, so that ordering transactions by the number of
 * their last change is one.  A row is known by its key, which changes with
 * it: the rows of an UPDATE that have a column of the key come last, and
 * when the group has ended, the row is known by its new key.
 *
 * A row that is deleted and inserted again under its key is one that changed.
 * Memory is that of the caller at evaudit_nets_make().
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "common/hashfn.h"
#include "utils/memutils.h"

#include "audit/net.h"

/* A row by the text of its table and key. */
typedef struct NetEntry
{
	char	   *name;
	EvauditNet *net;
	char		status;
} NetEntry;

#define SH_PREFIX net
#define SH_ELEMENT_TYPE NetEntry
#define SH_KEY_TYPE char *
#define SH_KEY name
#define SH_HASH_KEY(tb, key) \
	hash_bytes((const unsigned char *) (key), (int) strlen(key))
#define SH_EQUAL(tb, a, b) (strcmp(a, b) == 0)
#define SH_SCOPE static inline
#define SH_DECLARE
#define SH_DEFINE
#include "server/simplehash.h"

/* The change of a key whose rows are being added. */
typedef struct NetMove
{
	EvauditNet *net;
	const EvauditChange *first; /* one of its rows */
	Jsonb	   *changed[INDEX_MAX_KEYS];
} NetMove;

/* Begin a set, in the current memory context. */
EvauditNets *
evaudit_nets_make(void)
{
	EvauditNets *nets = palloc0(sizeof(EvauditNets));

	nets->context = CurrentMemoryContext;
	nets->hash = net_create(CurrentMemoryContext, 256, NULL);
	return nets;
}

/* What a row is found by. */
static char *
name_of(const EvauditPast *past, const char *key)
{
	return psprintf("%p %s", past, key);
}

/* The row that has a key now, or had it when it was deleted. */
EvauditNet *
evaudit_nets_find(EvauditNets *nets, const EvauditPast *past, const char *key)
{
	char	   *name = name_of(past, key);
	NetEntry   *entry = net_lookup(nets->hash, name);

	pfree(name);
	return entry ? entry->net : NULL;
}

/* Have a row found by its key, in place of one that had it before. */
static void
enter(EvauditNets *nets, EvauditNet *net)
{
	bool		found;
	NetEntry   *entry = net_insert(nets->hash, name_of(net->past, net->key),
								   &found);

	entry->net = net;
}

/* Have a row not found by its key any more. */
static void
leave(EvauditNets *nets, EvauditNet *net)
{
	(void) net_delete(nets->hash, name_of(net->past, net->key));
}

/* A row that was not changed before. */
static EvauditNet *
add_net(EvauditNets *nets, EvauditPast *past, const EvauditChange *change,
		bool existed)
{
	EvauditNet *net = palloc0(sizeof(EvauditNet));

	net->past = past;
	net->key = change->key;
	net->before_key = existed ? change->key : NULL;
	net->exists = existed;
	net->first_seq = change->seq;
	if (nets->n == nets->allocated)
	{
		nets->allocated = Max(64, nets->allocated * 2);
		nets->nets = nets->n == 0 ?
			palloc(sizeof(EvauditNet *) * nets->allocated) :
			repalloc_huge(nets->nets, sizeof(EvauditNet *) * nets->allocated);
	}
	nets->nets[nets->n++] = net;
	enter(nets, net);
	return net;
}

/* A row that is changed was there, whatever the changes before say. */
static void
mark_there(EvauditNet *net)
{
	net->interrupted |= !net->exists;
	net->exists = true;
}

/* The value of a column of a row, which is added if it is not there. */
static EvauditNetValue *
find_value(EvauditNet *net, int column)
{
	EvauditNetValue *value;

	for (int i = 0; i < net->nvalues; i++)
	{
		if (net->values[i].column == column)
			return &net->values[i];
	}
	net->values = net->nvalues == 0 ? palloc(sizeof(EvauditNetValue)) :
		repalloc(net->values, sizeof(EvauditNetValue) * (net->nvalues + 1));
	value = &net->values[net->nvalues++];
	memset(value, 0, sizeof(EvauditNetValue));
	value->column = column;
	return value;
}

/* Are two values of JSON the same, byte by byte? */
static bool
same_json(const Jsonb *a, const Jsonb *b)
{
	return VARSIZE(a) == VARSIZE(b) && memcmp(a, b, VARSIZE(a)) == 0;
}

/* An attribute was changed. */
static void
add_update(EvauditNet *net, const EvauditChange *change)
{
	EvauditNetValue *value = find_value(net, change->column);

	mark_there(net);
	if (value->new_value && !same_json(value->new_value, change->old_value))
		net->interrupted = true;
	if (value->old_value == NULL && net->before_key != NULL &&
		net->before_image == NULL)
	{
		value->old_value = change->old_value;
		value->seq = change->seq;
	}
	value->new_value = change->new_value;
}

/* A row was inserted. */
static void
add_insert(EvauditNet *net, const EvauditChange *change)
{
	net->interrupted |= net->exists;
	net->exists = true;
	net->after_image = change->new_value;
	net->after_seq = change->seq;
}

/* A row was there: this is what it was then. */
static void
add_baseline(EvauditNet *net, const EvauditChange *change)
{
	net->exists = true;
	net->after_image = change->new_value;
	net->after_seq = change->seq;
	for (int i = 0; i < net->nvalues; i++)
		net->values[i].new_value = NULL;
}

/* A row was deleted. */
static void
add_delete(EvauditNet *net, const EvauditChange *change)
{
	mark_there(net);
	net->exists = false;
	if (net->before_key != NULL && net->before_image == NULL)
	{
		net->before_image = change->old_value;
		net->before_seq = change->seq;
	}
	net->after_image = NULL;
	for (int i = 0; i < net->nvalues; i++)
		net->values[i].new_value = NULL;
}

/* Is a change one of those that the change of a key is made of? */
static bool
is_of_move(const NetMove *move, const EvauditPast *past,
		   const EvauditChange *change)
{
	return move->net->past == past && change->operation == EVAUDIT_UPDATE &&
		strcmp(change->key, move->first->key) == 0 &&
		change->xid == move->first->xid &&
		change->epoch == move->first->epoch &&
		change->time == move->first->time;
}

/* The change of a key is complete: the row is known by its new one. */
static void
end_move(EvauditNets *nets)
{
	NetMove    *move = nets->move;
	char	   *key;

	nets->move = NULL;
	if (move == NULL)
		return;
	leave(nets, move->net);
	key = evaudit_past_key_after(move->net->past, move->net->key,
								 move->changed);
	if (key == NULL)
		move->net->lost = true;
	else
	{
		move->net->key = key;
		enter(nets, move->net);
	}
	pfree(move);
}

/* A column of a key was changed. */
static void
add_move(EvauditNets *nets, EvauditNet *net, const EvauditChange *change,
		 int place)
{
	if (nets->move == NULL)
	{
		nets->move = palloc0(sizeof(NetMove));
		nets->move->net = net;
		nets->move->first = change;
	}
	nets->move->changed[place] = change->new_value;
}

/*
 * Add a change of a row, allocated in the context of the set.
 */
void
evaudit_nets_add(EvauditNets *nets, EvauditPast *past, EvauditChange *change)
{
	MemoryContext old = MemoryContextSwitchTo(nets->context);
	EvauditNet *net = NULL;
	int			place;

	if (change->attribute)
		change->column = evaudit_past_column(past, change->attribute,
											 change->seq);
	if (nets->move && is_of_move(nets->move, past, change))
		net = nets->move->net;
	else
	{
		end_move(nets);
		net = evaudit_nets_find(nets, past, change->key);
	}
	if (net == NULL)
		net = add_net(nets, past, change,
					  change->operation != EVAUDIT_INSERT);
	net->last_seq = change->seq;
	switch (change->operation)
	{
		case EVAUDIT_INSERT:
			add_insert(net, change);
			break;
		case EVAUDIT_BASELINE:
			add_baseline(net, change);
			break;
		case EVAUDIT_UPDATE:
			add_update(net, change);
			place = evaudit_past_key_place(past, change->column);
			if (place >= 0)
				add_move(nets, net, change, place);
			break;
		default:
			add_delete(net, change);
			break;
	}
	MemoryContextSwitchTo(old);
}

/* No more changes are added. */
void
evaudit_nets_finish(EvauditNets *nets)
{
	MemoryContext old = MemoryContextSwitchTo(nets->context);

	end_move(nets);
	MemoryContextSwitchTo(old);
}

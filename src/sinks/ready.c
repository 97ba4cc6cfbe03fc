/*-------------------------------------------------------------------------
 *
 * ready.c
 *	  Which deliveries of a batch may be sent now.
 *
 * A destination that takes requests side by side, or part of a request, keeps
 * no order.  So of an ordered sink at most one delivery of each key is under
 * way: the next one becomes ready when it has been delivered.  Those without a
 * key wait for none.  Among those that are ready the oldest goes first.
 *
 * A destination may fail for a delivery by an error that can pass.  While it
 * takes others, that delivery alone is put aside.  When it fails for many in a
 * row, or takes none, which is tried some times, it is the destination that
 * fails: the batch has an error then, and waits.  What was put aside before
 * says nothing about the destination.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/binaryheap.h"

#include "sinks/ready.h"

/* Failures in a row after which it is the destination that fails. */
#define MAX_FAILED	10

/* Attempts after which what fails is put aside though nothing else is taken. */
#define MAX_ATTEMPTS	5

struct EvauditReady
{
	EvauditSinkBatch *batch;
	bool		blocking;
	bool		delivered;		/* anything was */
	bool		again;			/* what failed is worth further attempts */
	int			nfailed;		/* since then */
	const char *error;			/* of the last one that failed */
	int		   *next;			/* of the same key, by place; -1: none */
	binaryheap *heap;			/* places, the least one first */
};

/* The least place comes first. */
static int
compare_places(Datum a, Datum b, void *arg)
{
	return DatumGetInt32(b) - DatumGetInt32(a);
}

/* By topic and key, then by place; for qsort(). */
static int
compare_keys(const void *a, const void *b, void *arg)
{
	const EvauditDelivery *deliveries = arg;
	int			i = *(const int *) a;
	int			j = *(const int *) b;
	const EvauditDelivery *x = &deliveries[i];
	const EvauditDelivery *y = &deliveries[j];
	int			order = strcmp(x->topic, y->topic);

	if (order == 0)
		order = memcmp(x->key, y->key, Min(x->key_len, y->key_len));
	if (order == 0 && x->key_len != y->key_len)
		order = x->key_len < y->key_len ? -1 : 1;
	return order != 0 ? order : i - j;
}

/* Whether two deliveries are of one key. */
static bool
same_key(const EvauditDelivery *x, const EvauditDelivery *y)
{
	return x->key_len == y->key_len &&
		memcmp(x->key, y->key, x->key_len) == 0 &&
		strcmp(x->topic, y->topic) == 0;
}

/* Whether what comes after a delivery of its key may not be sent. */
static bool
holds_up(const EvauditReady *ready, const EvauditDelivery *delivery)
{
	return delivery->outcome == EVAUDIT_OUTCOME_PENDING ||
		(delivery->outcome == EVAUDIT_OUTCOME_REFUSED && ready->blocking);
}

/*
 * Of each key, chain the deliveries and make the first one ready that is
 * pending, unless one before it holds it up.
 */
static void
add_ordered(EvauditReady *ready)
{
	EvauditDelivery *deliveries = ready->batch->deliveries;
	int		   *places = palloc(sizeof(int) * Max(ready->batch->n, 1));
	bool		waits = false;
	int			n = 0;

	for (int i = 0; i < ready->batch->n; i++)
	{
		if (deliveries[i].key != NULL)
			places[n++] = i;
	}
	qsort_arg(places, n, sizeof(int), compare_keys, deliveries);
	for (int i = 0; i < n; i++)
	{
		EvauditDelivery *delivery = &deliveries[places[i]];

		if (i > 0 && same_key(delivery, &deliveries[places[i - 1]]))
			ready->next[places[i - 1]] = places[i];
		else
			waits = false;
		if (!waits && delivery->outcome == EVAUDIT_OUTCOME_PENDING)
			binaryheap_add_unordered(ready->heap, Int32GetDatum(places[i]));
		waits |= holds_up(ready, delivery);
	}
	pfree(places);
}

/* The deliveries of a batch that may be sent, in its memory context. */
EvauditReady *
evaudit_ready_make(const EvauditSink *sink, EvauditSinkBatch *batch)
{
	MemoryContext previous = MemoryContextSwitchTo(batch->context);
	EvauditReady *ready = palloc(sizeof(EvauditReady));

	ready->batch = batch;
	ready->delivered = ready->again = false;
	ready->nfailed = 0;
	ready->error = NULL;
	ready->blocking = sink->ordered && sink->blocking;
	ready->next = palloc(sizeof(int) * Max(batch->n, 1));
	ready->heap = binaryheap_allocate(Max(batch->n, 1), compare_places, NULL);
	for (int i = 0; i < batch->n; i++)
	{
		const EvauditDelivery *delivery = &batch->deliveries[i];

		ready->next[i] = -1;
		if (delivery->outcome == EVAUDIT_OUTCOME_PENDING &&
			(delivery->key == NULL || !sink->ordered))
			binaryheap_add_unordered(ready->heap, Int32GetDatum(i));
	}
	if (sink->ordered)
		add_ordered(ready);
	binaryheap_build(ready->heap);
	MemoryContextSwitchTo(previous);
	return ready;
}

/* The oldest delivery that is ready, or NULL. */
EvauditDelivery *
evaudit_ready_first(EvauditReady *ready)
{
	if (binaryheap_empty(ready->heap))
		return NULL;
	return &ready->batch->deliveries[DatumGetInt32(binaryheap_first(ready->heap))];
}

/* It is under way. */
void
evaudit_ready_take(EvauditReady *ready)
{
	(void) binaryheap_remove_first(ready->heap);
}

/* The outcome of a delivery that was taken is set: is the next one ready? */
void
evaudit_ready_done(EvauditReady *ready, const EvauditDelivery *delivery)
{
	int			next = ready->next[delivery - ready->batch->deliveries];

	if (delivery->outcome == EVAUDIT_OUTCOME_DELIVERED)
	{
		ready->delivered = true;
		ready->nfailed = 0;
	}
	/* what was decided before has let the next one go ahead, or has not */
	while (next >= 0 && !holds_up(ready, delivery))
	{
		delivery = &ready->batch->deliveries[next];
		if (delivery->outcome == EVAUDIT_OUTCOME_PENDING)
		{
			binaryheap_add(ready->heap, Int32GetDatum(next));
			return;
		}
		next = ready->next[next];
	}
}

/* The destination failed for a delivery that was taken, which has an error. */
void
evaudit_ready_failed(EvauditReady *ready, EvauditDelivery *delivery)
{
	delivery->failed = true;
	ready->error = delivery->error;
	if (delivery->id != 0)
		return;
	ready->again |= delivery->attempts + 1 < MAX_ATTEMPTS;
	if (++ready->nfailed >= MAX_FAILED)
		ready->batch->error = ready->error;
}

/* Nothing is under way any more. */
void
evaudit_ready_end(EvauditReady *ready)
{
	if (ready->batch->error == NULL && !ready->delivered && ready->again)
		ready->batch->error = ready->error;
}

/* A delivery that was taken is to be sent once more. */
void
evaudit_ready_again(EvauditReady *ready, const EvauditDelivery *delivery)
{
	binaryheap_add(ready->heap,
				   Int32GetDatum(delivery - ready->batch->deliveries));
}

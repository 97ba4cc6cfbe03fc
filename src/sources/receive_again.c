/*-------------------------------------------------------------------------
 *
 * receive_again.c
 *	  Dead letters as their sources would receive them now.
 *
 * What was received is checked by the present options of its source, as a
 * message or record of these bytes would be: one that was read without its
 * envelope is taken out of it, and what the options do not trust any more is
 * rejected.  Of a source that is gone nothing is known but that it did not
 * trust some of its letters: those stay as they are.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"

#include "server/spi.h"
#include "sources/receive_again.h"
#include "sources/source.h"

/* A source that letters are of. */
typedef struct Receiver
{
	const char *name;
	const EvauditSourceKind *kind;
	EvauditSource *source;		/* NULL: it is gone */
	void	   *state;			/* the kind's own */
} Receiver;

/* The id of a source by its name; 0 if there is none. */
static int64
source_id(const char *name)
{
	static EvauditStatement find = {
		"SELECT id FROM evaudit.sources WHERE name = $1", 1, {TEXTOID}
	};
	Datum		value = CStringGetTextDatum(name);
	int64		id = 0;
	EvauditSpi	spi;

	evaudit_spi_begin(&spi);
	if (evaudit_spi_execute(&find, &value, NULL) > 0)
		id = evaudit_spi_int64(0, 0);
	evaudit_spi_end(&spi);
	return id;
}

/* The receiver of a source, which is in the list then. */
static Receiver *
find_receiver(List **receivers, const char *name)
{
	Receiver   *receiver;
	int64		id;
	ListCell   *lc;

	foreach(lc, *receivers)
	{
		receiver = lfirst(lc);
		if (strcmp(receiver->name, name) == 0)
			return receiver;
	}
	receiver = palloc0(sizeof(Receiver));
	receiver->name = name;
	id = source_id(name);
	if (id != 0)
		receiver->source = evaudit_load_source(id, &receiver->kind);
	if (receiver->source != NULL)
		receiver->state = receiver->kind->receiver(receiver->source->options);
	*receivers = lappend(*receivers, receiver);
	return receiver;
}

/*
 * Receive letters of one topic again; they carry a rejection if they were not
 * trusted before.  Within a transaction; what is allocated lives in the
 * current memory context.
 */
void
evaudit_receive_again(EvauditEvent *events, int n)
{
	List	   *receivers = NIL;

	for (int i = 0; i < n; i++)
	{
		EvauditEvent *event = &events[i];
		Receiver   *receiver = find_receiver(&receivers, event->source);

		/* a source of another kind is another one of the same name */
		if (receiver->source == NULL ||
			receiver->kind->has_messages != (event->message_id != NULL))
			continue;
		event->reason = EVAUDIT_ACCEPTED;
		event->error = NULL;
		evaudit_source_check_size(receiver->source, event);
		if (event->reason == EVAUDIT_ACCEPTED)
			receiver->kind->receive_again(receiver->state, event);
	}
}

/*-------------------------------------------------------------------------
 *
 * wanted.c
 *	  Which topics a sink wants, remembered by name.
 *
 * Names and patterns are compared once for each topic, not for each row.  A
 * sink may want all topics, of which there may be very many: when so many are
 * remembered that they take about 2 MB, all are forgotten.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/hsearch.h"

#include "events/outbox.h"
#include "events/topic.h"
#include "sinks/wanted.h"

/* Topics that are remembered. */
#define MAX_TOPICS	4096

struct EvauditWanted
{
	List	   *topics;			/* as evaudit_sink_topics() has them */
	MemoryContext context;
	HTAB	   *known;			/* WantedTopic, by name */
};

typedef struct WantedTopic
{
	char		name[EVAUDIT_MAX_TOPIC_BYTES + 1];	/* the key */
	bool		wanted;
} WantedTopic;

/* Begin with a table that is empty. */
static void
forget(EvauditWanted *wanted)
{
	HASHCTL		info = {
		.keysize = EVAUDIT_MAX_TOPIC_BYTES + 1,
		.entrysize = sizeof(WantedTopic),
		.hcxt = wanted->context,
	};

	if (wanted->known != NULL)
		hash_destroy(wanted->known);
	wanted->known = hash_create("evaudit wanted topics", 16, &info,
								HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
}

/* Remember for a sink of topics, in the current memory context. */
EvauditWanted *
evaudit_wanted_open(List *topics)
{
	EvauditWanted *wanted = palloc0(sizeof(EvauditWanted));

	wanted->topics = topics;
	wanted->context = CurrentMemoryContext;
	forget(wanted);
	return wanted;
}

/* Whether the sink wants a topic. */
bool
evaudit_wanted(EvauditWanted *wanted, const char *topic)
{
	WantedTopic *entry;
	bool		found;

	if (strlen(topic) > EVAUDIT_MAX_TOPIC_BYTES)
		return false;
	if (hash_get_num_entries(wanted->known) >= MAX_TOPICS)
		forget(wanted);
	entry = hash_search(wanted->known, topic, HASH_ENTER, &found);
	if (!found)
		entry->wanted = evaudit_sink_wants_topic(wanted->topics, topic);
	return entry->wanted;
}

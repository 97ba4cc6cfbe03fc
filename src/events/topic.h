/*-------------------------------------------------------------------------
 *
 * topic.h
 *	  What an event of a topic is and what becomes of it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_TOPIC_H
#define EVAUDIT_TOPIC_H

#include "events/mapping.h"
#include "schema/schema.h"

/* Longest name of a topic, in bytes. */
#define EVAUDIT_MAX_TOPIC_BYTES	249

/* What the events of a topic are made into, besides being kept. */
typedef enum EvauditProjection
{
	EVAUDIT_PROJECT_NONE,
	EVAUDIT_PROJECT_USER_SERVICES,
	EVAUDIT_PROJECT_FUNCTION
} EvauditProjection;

/* What a record without a payload means. */
typedef enum EvauditOnTombstone
{
	EVAUDIT_TOMBSTONE_DEAD_LETTER,
	EVAUDIT_TOMBSTONE_IGNORE,
	EVAUDIT_TOMBSTONE_DELETE
} EvauditOnTombstone;

/*
 * A topic, valid until the end of the transaction it was loaded in: whoever
 * goes on loads it again, which costs a look-up in a hash table.
 */
typedef struct EvauditTopic
{
	const char *name;
	EvauditMapping *mapping;
	Jsonb	   *schema_source;	/* as it was given; NULL: any payload will do */
	const EvauditSchema *schema;	/* the same, compiled */
	int			version;		/* of the schema, from 1; 0: there is none */
	bool		assert_format;	/* "format" of the schema is checked */
	bool		batch;			/* an array over HTTP is several events */
	bool		keep;			/* into evaudit.events */
	bool		has_sink;		/* they go into the outbox, too */
	int			wait_ms;		/* that a response over HTTP waits for sinks */
	bool		documents;		/* its events are needed as documents */
	EvauditOnTombstone on_tombstone;
	EvauditProjection projection;
	const char *function;		/* of EVAUDIT_PROJECT_FUNCTION, by name */
	Oid			function_owner; /* who owned it when it was named; InvalidOid
								 * if that role is not there any more */
} EvauditTopic;

extern const EvauditTopic *evaudit_topic_load(const char *name,
											  bool missing_ok);

extern void evaudit_topic_lock(const char *name);

#endif							/* EVAUDIT_TOPIC_H */

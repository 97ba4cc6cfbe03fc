/*-------------------------------------------------------------------------
 *
 * property.h
 *	  The configuration properties of librdkafka, and which of them a foreign
 *	  server or a user mapping may set.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_KAFKA_PROPERTY_H
#define EVAUDIT_KAFKA_PROPERTY_H

/* Where a property may be set, and what it does there. */
#define EVAUDIT_KAFKA_SERVER	0x0001
#define EVAUDIT_KAFKA_MAPPING	0x0002
#define EVAUDIT_KAFKA_SECRET	0x0004
#define EVAUDIT_KAFKA_FILE		0x0008	/* reads a file of the server */

/* Why it may not be set at all. */
#define EVAUDIT_KAFKA_OWNED		0x0010	/* evaudit decides */
#define EVAUDIT_KAFKA_PROCESS		0x0020	/* loads code, runs a command, ... */
#define EVAUDIT_KAFKA_NO_USE	0x0040	/* not by name, or has no effect */

typedef struct EvauditKafkaProperty
{
	const char *name;
	int			flags;
	int			max;			/* greatest number; 0: the library's own */
} EvauditKafkaProperty;

extern const EvauditKafkaProperty *evaudit_kafka_property(const char *name);

#endif							/* EVAUDIT_KAFKA_PROPERTY_H */

/*-------------------------------------------------------------------------
 *
 * mapping_compiled.h
 *	  What is between mapping_options.c, mapping_find.c and mapping.c: theirs
 *	  alone.
 *
 * The JSON pointers of a topic form a tree of names.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_MAPPING_COMPILED_H
#define EVAUDIT_MAPPING_COMPILED_H

#include "events/mapping.h"
#include "formats/format.h"
#include "server/compat.h"
#include "text/encoding.h"

/* What is looked for in a payload: the fields, and then these. */
#define SLOT_EVENT_ID		EVAUDIT_NFIELDS
#define SLOT_KEY			(EVAUDIT_NFIELDS + 1)
#define SLOT_TIMESTAMP		(EVAUDIT_NFIELDS + 2)
#define NSLOTS				(EVAUDIT_NFIELDS + 3)

/* One name, or array index, of the pointers of a mapping. */
typedef struct PathNode
{
	const char *name;
	int			name_len;
	int			index;			/* the name as an array index, or -1 */
	uint32		slots;			/* bits of the slots that are found here */
	uint32		slots_below;	/* the same, of all the nodes below */
	struct PathNode *children;	/* NULL: none */
	struct PathNode *next;		/* the parent's next child */
} PathNode;

/* Most bytes of a payload that an error repeats. */
#define EVAUDIT_EXCERPT_BYTES	60

typedef enum TimeFormat
{
	TIME_RFC3339,
	TIME_ISO8601,
	TIME_EPOCH_S,
	TIME_EPOCH_MS,
	TIME_RECORD
} TimeFormat;

struct EvauditMapping
{
	PathNode	root;
	const char *pointers[NSLOTS];	/* as in the options; NULL: not mapped */
	TimeFormat	time_format;
	int64		max_future;		/* microseconds */
	const char *max_future_text;	/* the same as in the options */
	int			max_payload_bytes;
	EvauditEncoding encoding;	/* of payloads */
	bool		accept_bom;		/* they may begin with a byte order mark */
	EvauditDecoder *decoder;	/* NULL: payloads are JSON as they are */
};

extern bool evaudit_mapping_find(const EvauditMapping *mapping,
								 EvauditPayload *payload,
								 EvauditEvent *event, MemoryContext scratch,
								 EvauditJsonValue *found);
extern bool evaudit_mapping_find_in_document(const EvauditMapping *mapping,
											 EvauditEvent *event,
											 MemoryContext scratch,
											 EvauditJsonValue *found);

#endif							/* EVAUDIT_MAPPING_COMPILED_H */

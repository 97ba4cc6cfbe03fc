/*-------------------------------------------------------------------------
 *
 * proto_schema.c
 *	  From the text of a schema, or a descriptor set, to messages; and which
 *	  message of it a payload is.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "utils/memutils.h"

#include "formats/proto.h"
#include "formats/proto_wire.h"
#include "text/base64.h"

/* Complete a set of files whose parts are there. */
static ProtoSet *
finish(ProtoSet *set, bool ok, const char **error)
{
	if (ok && evaudit_proto_add_builtin(set) && evaudit_proto_link(set))
		return set;
	*error = set->error;
	return NULL;
}

/*
 * Add a file as a registry has it: its text, or the base64 of its descriptor,
 * which Python's serializer registers and some registries return as it is.  No
 * text of a file consists of the characters of base64 alone.
 */
static bool
add_source(ProtoSet *set, const char *source)
{
	static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		"abcdefghijklmnopqrstuvwxyz0123456789+/=";
	size_t		len = strlen(source);
	uint8	   *bytes;
	int			nbytes;

	if (len == 0 || strspn(source, base64) != len)
		return evaudit_proto_add_text(set, source);
	bytes = palloc(EVAUDIT_BASE64_BYTES(len));
	nbytes = evaudit_base64_decode(source, len, bytes);
	if (nbytes < 0)
		return evaudit_proto_fail(set, "it is neither a file nor base64");
	return evaudit_proto_add_descriptor(set, (char *) bytes, nbytes);
}

/*
 * Compile the text of a schema, in the current memory context; NULL, with the
 * reason, if it cannot be used.
 */
ProtoSet *
evaudit_proto_compile(const EvauditSchemaText *schema, const char **error)
{
	static const char own[] = "google/protobuf/";
	ProtoSet   *set = evaudit_proto_make();
	bool		ok = true;

	for (int i = 0; ok && i < schema->nreferences; i++)
		if (strncmp(schema->references[i].name, own, strlen(own)) != 0)
			ok = add_source(set, schema->references[i].text);
	return finish(set, ok && add_source(set, schema->text), error);
}

/* Compile a descriptor set; likewise. */
ProtoSet *
evaudit_proto_compile_descriptors(const char *bytes, size_t len,
								  const char **error)
{
	ProtoSet   *set = evaudit_proto_make();

	return finish(set, evaudit_proto_add_descriptors(set, bytes, len), error);
}

/* The message of a list that has an index, those of maps not counted. */
static ProtoMessage *
nth_message(List *messages, uint64 index)
{
	ListCell   *lc;

	foreach(lc, messages)
	{
		ProtoMessage *message = lfirst(lc);

		if (!message->map_entry && index-- == 0)
			return message;
	}
	return NULL;
}

/* Read a varint in zigzag that is not negative. */
static bool
read_index(ProtoWire *wire, uint64 *index)
{
	uint64		value;

	if (!evaudit_wire_varint(wire, &value) || (value & 1) != 0)
		return false;
	*index = value >> 1;
	return true;
}

/*
 * The message that Confluent's indexes lead to: how many there are, then the
 * index of each message in the one around it; none at all mean the first of
 * the file.  NULL if they lead nowhere; the wire is after them.
 */
const ProtoMessage *
evaudit_proto_by_indexes(const ProtoSet *set, ProtoWire *wire)
{
	List	   *messages = set->roots;
	ProtoMessage *message = NULL;
	uint64		n;
	uint64		index;

	if (!read_index(wire, &n) || n > PROTO_MAX_NESTING)
		return NULL;
	if (n == 0)
		return nth_message(messages, 0);
	for (; n > 0; n--)
	{
		if (!read_index(wire, &index))
			return NULL;
		message = nth_message(messages, index);
		if (message == NULL)
			return NULL;
		messages = message->messages;
	}
	return message;
}

/* All messages of a list, with those in them. */
static List *
all_messages(List *messages, List *all)
{
	ListCell   *lc;

	foreach(lc, messages)
	{
		ProtoMessage *message = lfirst(lc);

		all = all_messages(message->messages, lappend(all, message));
	}
	return all;
}

/* Compare two messages of a list by name. */
static int
by_name(const ListCell *a, const ListCell *b)
{
	return strcmp(((ProtoMessage *) lfirst(a))->full_name,
				  ((ProtoMessage *) lfirst(b))->full_name);
}

/*
 * The message of Glue's index: its place among all of the file, those of maps
 * counted, by their names.  NULL if there is none; the wire is after it.
 */
const ProtoMessage *
evaudit_proto_by_place(ProtoSet *set, ProtoWire *wire)
{
	uint64		place;

	if (set->by_name == NIL && set->roots != NIL)
	{
		MemoryContext previous =
			MemoryContextSwitchTo(GetMemoryChunkContext(set));

		set->by_name = all_messages(set->roots, NIL);
		list_sort(set->by_name, by_name);
		MemoryContextSwitchTo(previous);
	}
	if (!evaudit_wire_varint(wire, &place) ||
		place >= (uint64) list_length(set->by_name))
		return NULL;
	return list_nth(set->by_name, (int) place);
}

/*
 * The message of a name among those that the file declares itself, outside of
 * others; NULL if there is none.
 */
const ProtoMessage *
evaudit_proto_by_name(const ProtoSet *set, const char *name, size_t len)
{
	ListCell   *lc;

	foreach(lc, set->roots)
	{
		const ProtoMessage *message = lfirst(lc);
		const char *dot = strrchr(message->full_name, '.');
		const char *own = dot == NULL ? message->full_name : dot + 1;

		if (strlen(own) == len && memcmp(own, name, len) == 0)
			return message;
	}
	return NULL;
}

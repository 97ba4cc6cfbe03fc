/*-------------------------------------------------------------------------
 *
 * proto_builtin.c
 *	  The files of google.protobuf that others import without bringing them.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "formats/proto.h"

/* By a type of each, which tells whether the file is there already. */
static const struct
{
	const char *type;
	const char *text;
}			files[] = {

	{
		"google.protobuf.Timestamp",
		"message Timestamp { int64 seconds = 1; int32 nanos = 2; }"
	},
	{
		"google.protobuf.Duration",
		"message Duration { int64 seconds = 1; int32 nanos = 2; }"
	},
	{
		"google.protobuf.Any",
		"message Any { string type_url = 1; bytes value = 2; }"
	},
	{
		"google.protobuf.Empty",
		"message Empty {}"
	},
	{
		"google.protobuf.FieldMask",
		"message FieldMask { repeated string paths = 1; }"
	},
	{
		"google.protobuf.Struct",
		"message Struct { map<string, Value> fields = 1; }"
		"message Value { oneof kind { NullValue null_value = 1;"
		" double number_value = 2; string string_value = 3;"
		" bool bool_value = 4; Struct struct_value = 5;"
		" ListValue list_value = 6; } }"
		"enum NullValue { NULL_VALUE = 0; }"
		"message ListValue { repeated Value values = 1; }"
	},
	{
		"google.protobuf.DoubleValue",
		"message DoubleValue { double value = 1; }"
		"message FloatValue { float value = 1; }"
		"message Int64Value { int64 value = 1; }"
		"message UInt64Value { uint64 value = 1; }"
		"message Int32Value { int32 value = 1; }"
		"message UInt32Value { uint32 value = 1; }"
		"message BoolValue { bool value = 1; }"
		"message StringValue { string value = 1; }"
		"message BytesValue { bytes value = 1; }"
	},
};

/* Add those that are not there; the last file stays the last. */
bool
evaudit_proto_add_builtin(ProtoSet *set)
{
	List	   *roots = set->roots;
	bool		ok = true;

	for (int i = 0; ok && i < lengthof(files); i++)
		if (evaudit_proto_find(set, files[i].type) == NULL)
			ok = evaudit_proto_add_text(set, psprintf("syntax = \"proto3\";"
													  "package google.protobuf;%s",
													  files[i].text));
	set->roots = roots;
	return ok;
}

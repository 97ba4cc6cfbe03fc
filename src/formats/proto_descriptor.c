/*-------------------------------------------------------------------------
 *
 * proto_descriptor.c
 *	  Sets of files of Protocol Buffers, as protoc --descriptor_set_out writes
 *	  them (google.protobuf.FileDescriptorSet).
 *
 * Of all that descriptors say, what decoding needs is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"

#include "formats/proto.h"
#include "formats/proto_wire.h"
#include "text/json_text.h"

/* Called for each field of a message on the wire; false to end with a fault. */
typedef bool (*FieldReader) (void *arg, const ProtoWireField *field);

/* What is read of a file. */
typedef struct FileReader
{
	ProtoSet   *set;
	char	   *package;
	bool		proto3;
	bool		editions;
} FileReader;

/* A message or enum under way, and what is around it. */
typedef struct TypeReader
{
	FileReader *file;
	ProtoMessage *message;		/* NULL: the file */
	ProtoEnum  *enumeration;
	const char *scope;
	int			depth;
} TypeReader;

/* A field under way. */
typedef struct FieldDeclaration
{
	ProtoSet   *set;
	char	   *name;
	char	   *type_name;
	int64		number;
	int64		type;
	int64		label;
	int64		oneof;
	bool		optional;
} FieldDeclaration;

#define LABEL_REPEATED	3

/* Read the fields of a message on the wire. */
static bool
read_message(ProtoSet *set, const char *bytes, size_t len, FieldReader read,
			 void *arg)
{
	ProtoWire	wire = {bytes, bytes + len};
	ProtoWireField field;

	while (wire.p < wire.end)
	{
		if (!evaudit_wire_field(&wire, &field))
			return evaudit_proto_fail(set, "the descriptor is malformed");
		if (!read(arg, &field))
			return false;
	}
	return true;
}

/* Whether a field on the wire is bytes of a number. */
static bool
is_bytes(const ProtoWireField *field, uint32 number)
{
	return field->number == number && field->type == PROTO_WIRE_BYTES;
}

/* A string of a descriptor, in the server's encoding; "" if it is none. */
static char *
take_text(const ProtoWireField *field)
{
	int			len;
	char	   *str = pnstrdup(field->bytes, field->len);

	if (!pg_verify_mbstr(PG_UTF8, str, (int) field->len, true))
		return pstrdup("");
	if (GetDatabaseEncoding() == PG_UTF8)
		return str;
	str = evaudit_utf8_to_server(str, field->len, &len);
	return str == NULL ? pstrdup("") : str;
}

/* FieldDescriptorProto: name 1, number 3, label 4, type 5, type_name 6, ... */
static bool
read_field_part(void *arg, const ProtoWireField *field)
{
	FieldDeclaration *declared = arg;

	if (is_bytes(field, 1))
		declared->name = take_text(field);
	else if (is_bytes(field, 6))
		declared->type_name = take_text(field);
	else if (field->type != PROTO_WIRE_VARINT)
		return true;
	else if (field->number == 3)
		declared->number = (int64) field->value;
	else if (field->number == 4)
		declared->label = (int64) field->value;
	else if (field->number == 5)
		declared->type = (int64) field->value;
	else if (field->number == 9)
		declared->oneof = (int64) field->value;
	else if (field->number == 17)
		declared->optional = field->value != 0;
	return true;
}

/* Add a field that a descriptor declares. */
static bool
read_field(TypeReader *type, const ProtoWireField *on_wire)
{
	ProtoSet   *set = type->file->set;
	FieldDeclaration declared = {.set = set,.oneof = -1};
	ProtoField *field;

	if (!read_message(set, on_wire->bytes, on_wire->len, read_field_part,
					  &declared))
		return false;
	field = evaudit_proto_add_field(set, type->message, declared.name == NULL ?
									"" : declared.name, declared.number);
	if (field == NULL)
		return false;
	if (declared.oneof < -1 || declared.oneof > PROTO_MAX_PARTS ||
		declared.type < 0 || declared.type > PROTO_SINT64)
		return evaudit_proto_fail(set, "the descriptor of field \"%s\" is malformed",
								  declared.name);
	field->type = (ProtoType) declared.type;
	field->type_name = declared.type_name;
	field->repeated = declared.label == LABEL_REPEATED;
	field->oneof = declared.optional ? -1 : (int) declared.oneof;
	field->implicit = type->file->proto3 && !field->repeated &&
		declared.oneof < 0 && !declared.optional;
	return true;
}

/* EnumValueDescriptorProto: name 1, number 2 */
static bool
read_value_part(void *arg, const ProtoWireField *field)
{
	FieldDeclaration *declared = arg;

	if (is_bytes(field, 1))
		declared->name = take_text(field);
	else if (field->number == 2 && field->type == PROTO_WIRE_VARINT)
		declared->number = (int64) field->value;
	return true;
}

/* EnumDescriptorProto: name 1, value 2; the name was read before. */
static bool
read_enum_part(void *arg, const ProtoWireField *field)
{
	TypeReader *type = arg;
	FieldDeclaration declared = {.name = ""};

	if (!is_bytes(field, 2))
		return true;
	return read_message(type->file->set, field->bytes, field->len,
						read_value_part, &declared) &&
		evaudit_proto_add_value(type->file->set, type->enumeration,
								declared.name, declared.number);
}

/* The name in a descriptor of a type, and whether it is the entry of a map. */
typedef struct NameReader
{
	char	   *name;
	bool		map_entry;
} NameReader;

/* MessageOptions: map_entry 7 */
static bool
read_options_part(void *arg, const ProtoWireField *field)
{
	if (field->number == 7 && field->type == PROTO_WIRE_VARINT)
		((NameReader *) arg)->map_entry = field->value != 0;
	return true;
}

/* Name 1, of a message options 7 */
static bool
read_name_part(void *arg, const ProtoWireField *field)
{
	NameReader *name = arg;
	ProtoSet	garbage = {0};

	if (is_bytes(field, 1))
		name->name = take_text(field);
	else if (is_bytes(field, 7))
		(void) read_message(&garbage, field->bytes, field->len,
							read_options_part, name);
	return true;
}

/* Read the name of a type, which may come after its parts. */
static bool
read_name(TypeReader *type, const ProtoWireField *on_wire, NameReader *name)
{
	memset(name, 0, sizeof(NameReader));
	name->name = pstrdup("");
	return read_message(type->file->set, on_wire->bytes, on_wire->len,
						read_name_part, name);
}

/* Add an enum that a descriptor declares. */
static bool
read_enum(TypeReader *around, const ProtoWireField *on_wire)
{
	TypeReader	type = *around;
	NameReader	name;

	if (!read_name(around, on_wire, &name))
		return false;
	type.enumeration = evaudit_proto_add_enum(around->file->set,
											  around->scope, name.name);
	return type.enumeration != NULL &&
		read_message(around->file->set, on_wire->bytes, on_wire->len,
					 read_enum_part, &type);
}

static bool read_type(TypeReader *around, const ProtoWireField *on_wire);

/* DescriptorProto: field 2, nested_type 3, enum_type 4 */
static bool
read_type_part(void *arg, const ProtoWireField *field)
{
	TypeReader *type = arg;

	if (is_bytes(field, 2))
		return read_field(type, field);
	if (is_bytes(field, 3))
		return read_type(type, field);
	if (is_bytes(field, 4))
		return read_enum(type, field);
	return true;
}

/* Add a message that a descriptor declares. */
static bool
read_type(TypeReader *around, const ProtoWireField *on_wire)
{
	ProtoSet   *set = around->file->set;
	TypeReader	type = {.file = around->file,.depth = around->depth + 1};
	NameReader	name;

	if (type.depth > PROTO_MAX_NESTING)
		return evaudit_proto_fail(set, "messages are declared deeper than %d levels",
								  PROTO_MAX_NESTING);
	if (!read_name(around, on_wire, &name))
		return false;
	type.message = evaudit_proto_add_message(set, around->message,
											 around->scope, name.name);
	if (type.message == NULL)
		return false;
	type.message->map_entry = name.map_entry;
	type.scope = type.message->full_name;
	return read_message(set, on_wire->bytes, on_wire->len, read_type_part,
						&type);
}

/* FileDescriptorProto: package 2, syntax 12, edition 14 */
static bool
read_file_name(void *arg, const ProtoWireField *field)
{
	FileReader *file = arg;

	if (is_bytes(field, 2))
		file->package = take_text(field);
	else if (is_bytes(field, 12))
	{
		char	   *syntax = take_text(field);

		file->proto3 = strcmp(syntax, "proto3") == 0;
		file->editions |= strcmp(syntax, "editions") == 0;
	}
	else if (field->number == 14)
		file->editions = true;
	return true;
}

/* FileDescriptorProto: message_type 4, enum_type 5 */
static bool
read_file_part(void *arg, const ProtoWireField *field)
{
	FileReader *file = arg;
	TypeReader	around = {.file = file,.scope = file->package};

	if (is_bytes(field, 4))
		return read_type(&around, field);
	if (is_bytes(field, 5))
		return read_enum(&around, field);
	return true;
}

/* Add the file of a descriptor. */
bool
evaudit_proto_add_descriptor(ProtoSet *set, const char *bytes, size_t len)
{
	FileReader	file = {.set = set,.package = pstrdup("")};

	set->roots = NIL;
	if (!read_message(set, bytes, len, read_file_name, &file))
		return false;
	if (file.editions)
		return evaudit_proto_fail(set, "files of editions are not supported");
	return read_message(set, bytes, len, read_file_part, &file);
}

/* FileDescriptorSet: file 1 */
static bool
read_set_part(void *arg, const ProtoWireField *field)
{
	return !is_bytes(field, 1) ||
		evaudit_proto_add_descriptor(arg, field->bytes, field->len);
}

/* Add the files of a descriptor set. */
bool
evaudit_proto_add_descriptors(ProtoSet *set, const char *bytes, size_t len)
{
	return read_message(set, bytes, len, read_set_part, set);
}

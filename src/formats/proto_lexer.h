/*-------------------------------------------------------------------------
 *
 * proto_lexer.h
 *	  The words of a .proto file.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_PROTO_LEXER_H
#define EVAUDIT_PROTO_LEXER_H

#include "formats/proto.h"

typedef enum ProtoTokenType
{
	PROTO_TOKEN_END,
	PROTO_TOKEN_NAME,			/* with dots in it, and perhaps before it */
	PROTO_TOKEN_NUMBER,
	PROTO_TOKEN_STRING,
	PROTO_TOKEN_SYMBOL			/* one character */
} ProtoTokenType;

typedef struct ProtoToken
{
	ProtoTokenType type;
	const char *text;			/* in the file; of a string with its quotes */
	size_t		len;
} ProtoToken;

typedef struct ProtoLexer
{
	ProtoSet   *set;
	const char *p;
	int			line;
	ProtoToken	token;			/* the current one */
} ProtoLexer;

/* All are false, with an error of the set, if the file is not like that. */
extern bool evaudit_proto_next(ProtoLexer *lexer);
extern bool evaudit_proto_is(const ProtoLexer *lexer, const char *word);
extern bool evaudit_proto_expect(ProtoLexer *lexer, const char *word);
extern bool evaudit_proto_accept(ProtoLexer *lexer, const char *word);
extern bool evaudit_proto_take_name(ProtoLexer *lexer, char **name);
extern bool evaudit_proto_take_int(ProtoLexer *lexer, int64 *value);
extern bool evaudit_proto_skip_statement(ProtoLexer *lexer);
extern bool evaudit_proto_skip_brackets(ProtoLexer *lexer);

#endif							/* EVAUDIT_PROTO_LEXER_H */

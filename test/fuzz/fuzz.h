/*-------------------------------------------------------------------------
 *
 * fuzz.h
 *	  What fuzz targets are, and what they share.  See README.md.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_FUZZ_H
#define EVAUDIT_FUZZ_H

#include "utils/jsonb.h"

typedef struct EvauditFuzzTarget
{
	const char *name;
	void		(*run) (const char *data, size_t size);
} EvauditFuzzTarget;

/* The next line of an input, as a string; all that is left for the last. */
extern char *evaudit_fuzz_line(const char **data, size_t *size);
extern char *evaudit_fuzz_rest(const char *data, size_t size);
extern Jsonb *evaudit_fuzz_jsonb(char *str);

extern void evaudit_fuzz_schema(const char *data, size_t size);
extern void evaudit_fuzz_validate(const char *data, size_t size);
extern void evaudit_fuzz_token(const char *data, size_t size);
extern void evaudit_fuzz_claims(const char *data, size_t size);
extern void evaudit_fuzz_keys(const char *data, size_t size);
extern void evaudit_fuzz_http(const char *data, size_t size);
extern void evaudit_fuzz_avro(const char *data, size_t size);
extern void evaudit_fuzz_protobuf(const char *data, size_t size);
extern void evaudit_fuzz_descriptors(const char *data, size_t size);
extern void evaudit_fuzz_proto_text(const char *data, size_t size);

#endif							/* EVAUDIT_FUZZ_H */

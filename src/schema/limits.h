/*-------------------------------------------------------------------------
 *
 * limits.h
 *	  What a schema, and a validation, may cost at most.
 *
 * A step is what looking at one member, element or keyword takes, some tens
 * of nanoseconds.  Patterns are charged by length and by backtracking.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_LIMITS_H
#define EVAUDIT_SCHEMA_LIMITS_H

/* Of one schema, all documents that it refers to included. */
#define EVAUDIT_SCHEMA_MAX_BYTES	(4 * 1024 * 1024)
#define EVAUDIT_SCHEMA_MAX_NODES	50000
#define EVAUDIT_SCHEMA_MAX_DEPTH	250
#define EVAUDIT_SCHEMA_MAX_PATTERNS	2000
#define EVAUDIT_SCHEMA_MAX_PATTERN_BYTES	(1024 * 1024)
#define EVAUDIT_SCHEMA_MAX_DIVISOR	256 /* bytes of a numeric */
#define EVAUDIT_SCHEMA_MAX_MEMORY	(64 * 1024 * 1024)
#define EVAUDIT_SCHEMA_MAX_URI		2000

/* Of one validation.  Locations in errors are cut to so many bytes. */
#define EVAUDIT_SCHEMA_MAX_LOCATION	2000
#define EVAUDIT_SCHEMA_MAX_STEPS	INT64CONST(20000000)
#define EVAUDIT_SCHEMA_MAX_ERRORS	1000

/* Compiled schemas that json_schema_is_valid() keeps in a backend. */
#define EVAUDIT_SCHEMA_CACHE_ENTRIES	64
#define EVAUDIT_SCHEMA_CACHE_MEMORY		(32 * 1024 * 1024)

#endif							/* EVAUDIT_SCHEMA_LIMITS_H */

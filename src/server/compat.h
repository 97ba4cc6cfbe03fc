/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17 and 18, in one place.
 *
 * No other file tests PG_VERSION_NUM.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_COMPAT_H
#define EVAUDIT_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "evaudit needs PostgreSQL 15 or later"
#endif

#include "access/htup_details.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#include "common/jsonapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "utils/acl.h"
#include "utils/memutils.h"
#include "utils/syscache.h"

/* 18 marks functions that do not return at the front, as C11 does. */
#ifndef pg_noreturn
#define pg_noreturn		pg_attribute_noreturn()
#endif

/*
 * A set of things to wait for, freed by its user alone.  17 moved its memory,
 * 18 the declarations.
 */
static inline WaitEventSet *
evaudit_compat_create_waits(int nevents)
{
#if PG_VERSION_NUM >= 170000
	return CreateWaitEventSet(NULL, nevents);
#else
	return CreateWaitEventSet(TopMemoryContext, nevents);
#endif
}

/* What a role may do with a foreign server. */
static inline AclResult
evaudit_compat_server_aclcheck(Oid server, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ForeignServerRelationId, server, role, mode);
#else
	return pg_foreign_server_aclcheck(server, role, mode);
#endif
}

/* What a role may do with a function. */
static inline AclResult
evaudit_compat_function_aclcheck(Oid function, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, function, role, mode);
#else
	return pg_proc_aclcheck(function, role, mode);
#endif
}

/* The parts of a qualified name; 16 can report errors without raising them. */
#if PG_VERSION_NUM >= 160000
#define evaudit_compat_qualified_name(name) \
	stringToQualifiedNameList(name, NULL)
#else
#define evaudit_compat_qualified_name(name)	stringToQualifiedNameList(name)
#endif

/* Whether a role owns a database. */
static inline bool
evaudit_compat_database_ownercheck(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
#endif
}

/*
 * Whether the current user may create databases.  The server's own function
 * is new in 16 and in 15.20; what is built there must load into 15.19, too.
 */
static inline bool
evaudit_compat_may_create_databases(void)
{
#if PG_VERSION_NUM >= 160000
	return have_createdb_privilege();
#else
	HeapTuple	tuple;
	bool		result;

	if (superuser())
		return true;
	tuple = SearchSysCache1(AUTHOID, ObjectIdGetDatum(GetUserId()));
	if (!HeapTupleIsValid(tuple))
		return false;
	result = ((Form_pg_authid) GETSTRUCT(tuple))->rolcreatedb;
	ReleaseSysCache(tuple);
	return result;
#endif
}

/*
 * Semantic actions of the JSON parser return a verdict since 16: write them
 * as "static EvauditJsonAction f(...) { ...; EVAUDIT_JSON_CONTINUE; }".
 */
#if PG_VERSION_NUM >= 160000
typedef JsonParseErrorType EvauditJsonAction;
#define EVAUDIT_JSON_CONTINUE	return JSON_SUCCESS
#else
typedef void EvauditJsonAction;
#define EVAUDIT_JSON_CONTINUE	return
#endif

/* A lexer over len bytes in the server's encoding, in the current context. */
static inline JsonLexContext *
evaudit_compat_json_lexer(const char *json, int len, int encoding,
						  bool need_escapes)
{
#if PG_VERSION_NUM >= 170000
	return makeJsonLexContextCstringLen(NULL, json, len, encoding,
										need_escapes);
#else
	return makeJsonLexContextCstringLen(unconstify(char *, json), len,
										encoding, need_escapes);
#endif
}

/* Is this an escape that no text can hold: \u0000, half a surrogate pair? */
static inline bool
evaudit_compat_json_bad_unicode(JsonParseErrorType error)
{
#if PG_VERSION_NUM >= 160000
	if (error == JSON_UNICODE_UNTRANSLATABLE)
		return true;
#endif
	return error == JSON_UNICODE_CODE_POINT_ZERO ||
		error == JSON_UNICODE_HIGH_ESCAPE ||
		error == JSON_UNICODE_HIGH_SURROGATE ||
		error == JSON_UNICODE_LOW_SURROGATE;
}

/* The WAL record of a sequence names its file; 16 renamed the fields. */
#if PG_VERSION_NUM < 160000
#define EVAUDIT_SEQ_LOCATOR		node
#define EVAUDIT_RD_LOCATOR		rd_node
#else
#define EVAUDIT_SEQ_LOCATOR		locator
#define EVAUDIT_RD_LOCATOR		rd_locator
#endif

/* 16 put the ownership checks of all kinds of objects into one. */
#if PG_VERSION_NUM < 160000
#define evaudit_owns_relation(relid, role) \
	pg_class_ownercheck(relid, role)
#else
#define evaudit_owns_relation(relid, role) \
	object_ownercheck(RelationRelationId, relid, role)
#endif

/* Since 17 an access method may hold pins between insertions. */
#if PG_VERSION_NUM < 170000
#define evaudit_index_insert_cleanup(index, info)	((void) 0)
#else
#define evaudit_index_insert_cleanup(index, info) \
	index_insert_cleanup(index, info)
#endif

/* Is a column stored in rows?  18 has generated columns that are not. */
#if PG_VERSION_NUM < 180000
#define evaudit_column_is_stored(att)	(!(att)->attisdropped)
#else
#define evaudit_column_is_stored(att) \
	(!(att)->attisdropped && \
	 (att)->attgenerated != ATTRIBUTE_GENERATED_VIRTUAL)
#endif

#endif							/* EVAUDIT_COMPAT_H */

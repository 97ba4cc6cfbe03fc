/*-------------------------------------------------------------------------
 *
 * compat.h
 *	  What differs between PostgreSQL 15, 16, 17, 18 and 19, in one place.
 *
 * No other file tests PG_VERSION_NUM.  Since this one includes PostgreSQL's
 * headers alone, every room may include it, those below server/, too.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_COMPAT_H
#define EVAUDIT_COMPAT_H

#if PG_VERSION_NUM < 150000
#error "evaudit needs PostgreSQL 15 or later"
#endif
#if SIZEOF_VOID_P < 8
#error "evaudit needs a processor of 64 bits"
#endif

#include "access/htup_details.h"
#include "access/tableam.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_database.h"
#include "catalog/pg_foreign_server.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/dbcommands.h"
#if PG_VERSION_NUM >= 190000
#include "commands/sequence_xlog.h"
#endif
#include "common/jsonapi.h"
#include "miscadmin.h"
#if PG_VERSION_NUM >= 160000
#include "nodes/miscnodes.h"
#endif
#include "storage/latch.h"
#include "storage/shmem.h"
#if PG_VERSION_NUM >= 180000
#include "storage/waiteventset.h"
#endif
#include "utils/acl.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/numeric.h"
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

/* What a role may do with a schema. */
static inline AclResult
evaudit_compat_schema_aclcheck(Oid schema, Oid role, AclMode mode)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(NamespaceRelationId, schema, role, mode);
#else
	return pg_namespace_aclcheck(schema, role, mode);
#endif
}

/* Whether a role may SET ROLE to another; 16 made that an option of grants. */
static inline bool
evaudit_compat_can_set_role(Oid role, Oid target)
{
#if PG_VERSION_NUM >= 160000
	return member_can_set_role(role, target);
#else
	return is_member_of_role(role, target);
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

/*
 * Does a role own a relation?  16 put the checks of all kinds of objects into
 * one, for which an object that is not there is an internal error; and no
 * version checks that for superusers.
 */
static inline bool
evaudit_owns_relation(Oid relid, Oid role)
{
	if (!SearchSysCacheExists1(RELOID, ObjectIdGetDatum(relid)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE),
				 errmsg("relation with OID %u does not exist", relid)));
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relid, role);
#else
	return pg_class_ownercheck(relid, role);
#endif
}

/* Do foreign tables have triggers for TRUNCATE?  They do since 16. */
#if PG_VERSION_NUM < 160000
#define EVAUDIT_FOREIGN_TRUNCATE	false
#else
#define EVAUDIT_FOREIGN_TRUNCATE	true
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

/*
 * A jsonb under construction, all zero to begin with.  Its value is complete
 * as "result" when the outermost array or object has been closed.  19 has a
 * struct of the server's for that, and pushJsonbValue() no result.
 */
#if PG_VERSION_NUM >= 190000
typedef JsonbInState EvauditJsonbState;
#else
typedef struct EvauditJsonbState
{
	JsonbValue *result;
	JsonbParseState *parseState;
} EvauditJsonbState;
#endif

/* Add a token, of a scalar with its value, to a jsonb under construction. */
static inline void
evaudit_compat_jsonb_push(EvauditJsonbState *state, JsonbIteratorToken token,
						  JsonbValue *value)
{
#if PG_VERSION_NUM >= 190000
	pushJsonbValue(state, token, value);
#else
	state->result = pushJsonbValue(&state->parseState, token, value);
#endif
}

/* Convert to int32; false if that overflows, or if it is NaN or infinite. */
static inline bool
evaudit_compat_numeric_int4(Numeric number, int32 *result)
{
#if PG_VERSION_NUM >= 190000
	ErrorSaveContext escontext = {T_ErrorSaveContext};

	*result = numeric_int4_safe(number, (Node *) &escontext);
	return !escontext.error_occurred;
#else
	bool		failed = false;

	*result = numeric_int4_opt_error(number, &failed);
	return !failed;
#endif
}

/* A hash table of a fixed size in shared memory; see ShmemInitHash(). */
static inline HTAB *
evaudit_compat_shmem_hash(const char *name, int64 size, HASHCTL *ctl,
						  int flags)
{
#if PG_VERSION_NUM >= 190000
	return ShmemInitHash(name, size, ctl, flags);
#else
	return ShmemInitHash(name, size, size, ctl, flags);
#endif
}

/* Begin a sequential scan of all rows; 19 added flags. */
static inline TableScanDesc
evaudit_compat_begin_scan(Relation relation, Snapshot snapshot)
{
#if PG_VERSION_NUM >= 190000
	return table_beginscan(relation, snapshot, 0, NULL, 0);
#else
	return table_beginscan(relation, snapshot, 0, NULL);
#endif
}

#endif							/* EVAUDIT_COMPAT_H */

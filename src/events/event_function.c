/*-------------------------------------------------------------------------
 *
 * event_function.c
 *	  Calling a function of a user with events.
 *
 * A function is named schema.name.  It is looked up by name each time, as a
 * dump knows nothing of oids; what it returns is of no interest.
 *
 * Three roles meet here: the one that named the function, the function's
 * owner, whose code it is, and the current user, for whom it is called.  None
 * of them gets rights of another by it:
 *
 * - Who names a function must be able to SET ROLE to its owner.
 * - Where the owner can SET ROLE to the current user, it runs as the current
 *	 user, as any function does that somebody calls: its code gets nothing
 *	 that its owner did not have.  The current user needs EXECUTE.
 * - Elsewhere it runs as its owner, in a security-restricted operation with a
 *	 search_path of pg_catalog alone, as an index's function does in VACUUM.
 *	 That lends the owner's rights to those it is called for, so that they need
 *	 EXECUTE by a grant to themselves or to a role of theirs, not by PUBLIC's
 *	 default, or a grant for their token.
 *
 * Settings that the function changes, the role among them, go back when it
 * returns, so that it cannot act on what the session does after it.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/regproc.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#include "events/event_function.h"
#include "events/projection_batch.h"
#include "server/compat.h"
#include "server/setting.h"

/* A call of a function. */
typedef struct Call
{
	const EvauditFunctionUse *use;
	Oid			function;
	Oid			owner;
	bool		as_owner;		/* rather than as the current user */
} Call;

/* What a function takes, as messages have it. */
static const char *
signature(const char *name, EvauditFunctionForm form)
{
	return psprintf("%s(evaudit.event%s)", name,
					form == EVAUDIT_FUNCTION_OF_BATCH ? "[]" : "");
}

/*
 * The function of a name that takes what its form says, or InvalidOid.
 * Nothing but an exact match counts.  No right is asked for: who may call it
 * is not known before its owner is.
 */
static Oid
look_up(const char *option, const char *name, EvauditFunctionForm form)
{
	List	   *names = evaudit_compat_qualified_name(name);
	Oid			event = evaudit_event_type();
	Oid			type = form == EVAUDIT_FUNCTION_OF_BATCH ?
		get_array_type(event) : event;
	oidvector  *types = buildoidvector(&type, 1);
	Oid			schema;

	if (list_length(names) != 2)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("%s a function's name with its schema, not \"%s\"",
						option, name)));
	schema = get_namespace_oid(strVal(linitial(names)), true);
	/* each session has a function of its own in a schema of that kind */
	if (OidIsValid(schema) && isAnyTempNamespace(schema))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("function %s is in a temporary schema",
						signature(name, form))));
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid,
						   CStringGetDatum(strVal(lsecond(names))),
						   PointerGetDatum(types),
						   ObjectIdGetDatum(schema));
}

/* Whether what a function is and returns makes it one of a form. */
static bool
is_of_form(Form_pg_proc proc, EvauditFunctionForm form)
{
	if (proc->prokind != PROKIND_FUNCTION || proc->proretset)
		return false;
	if (form == EVAUDIT_FUNCTION_OF_EVENT)
		return proc->prorettype == JSONBOID;
	return get_typtype(proc->prorettype) != TYPTYPE_PSEUDO ||
		proc->prorettype == VOIDOID;
}

/*
 * Find the function of a name; an ERROR if there is none, or one that cannot
 * be called with events as its form says.  "option" begins the message about
 * a name that is none.
 */
Oid
evaudit_event_function_find(const char *option, const char *name,
							EvauditFunctionForm form)
{
	Oid			function = look_up(option, name, form);
	HeapTuple	tuple;

	if (!OidIsValid(function))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_FUNCTION),
				 errmsg("function %s does not exist",
						signature(name, form))));
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	if (!is_of_form((Form_pg_proc) GETSTRUCT(tuple), form))
		ereport(ERROR,
				(errcode(ERRCODE_WRONG_OBJECT_TYPE),
				 errmsg("%s is not a function that returns one value%s",
						signature(name, form),
						form == EVAUDIT_FUNCTION_OF_EVENT ?
						" of type jsonb" : "")));
	ReleaseSysCache(tuple);
	return function;
}

/* The owner of a function. */
Oid
evaudit_event_function_owner(Oid function)
{
	HeapTuple	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	Oid			owner;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", function);
	owner = ((Form_pg_proc) GETSTRUCT(tuple))->proowner;
	ReleaseSysCache(tuple);
	return owner;
}

/* Whether a role has EXECUTE other than by a grant to PUBLIC. */
static bool
has_own_grant(const Call *call, Oid role)
{
	HeapTuple	tuple;
	Datum		value;
	bool		found = has_privs_of_role(role, call->owner);
	bool		isnull;

	if (found)
		return true;
	tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(call->function));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", call->function);
	value = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &isnull);
	if (!isnull)
	{
		Acl		   *acl = DatumGetAclP(value);
		AclItem    *items = ACL_DAT(acl);

		for (int i = 0; i < ACL_NUM(acl) && !found; i++)
			found = items[i].ai_grantee != ACL_ID_PUBLIC &&
				(ACLITEM_GET_PRIVS(items[i]) & ACL_EXECUTE) != 0 &&
				has_privs_of_role(role, items[i].ai_grantee);
	}
	ReleaseSysCache(tuple);
	return found;
}

/* Raise an error unless the current user may have a function run so. */
static void
check_caller(const Call *call)
{
	const char *name = call->use->function;
	Oid			runner = call->as_owner ? call->owner : GetUserId();
	Oid			schema = get_func_namespace(call->function);
	AclResult	result;

	result = evaudit_compat_schema_aclcheck(schema, runner, ACL_USAGE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_SCHEMA, get_namespace_name(schema));
	result = evaudit_compat_function_aclcheck(call->function, runner,
											  ACL_EXECUTE);
	if (result != ACLCHECK_OK)
		aclcheck_error(result, OBJECT_FUNCTION, name);
	if (call->as_owner && !call->use->granted &&
		!has_own_grant(call, GetUserId()))
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for function %s", name),
				 errdetail("It runs as its owner, \"%s\", for role \"%s\", which takes a grant that is not PUBLIC's.",
						   GetUserNameFromId(call->owner, false),
						   GetUserNameFromId(GetUserId(), false)),
				 errhint("Grant EXECUTE on the function to the role.")));
}

/* Say whose rights and which search_path an error was raised with. */
static void
describe_call(void *arg)
{
	const Call *call = arg;

	if (call->as_owner)
		errcontext("function %s of %s \"%s\", run as its owner with search_path \"pg_catalog, pg_temp\"",
				   call->use->function, call->use->noun, call->use->name);
	else
		errcontext("function %s of %s \"%s\"", call->use->function,
				   call->use->noun, call->use->name);
}

/*
 * Call the function with the current user's rights.  It sees what was written
 * before, and what follows sees what it writes.
 */
static Datum
invoke(const Call *call, Datum argument, bool *isnull)
{
	FmgrInfo	flinfo;
	Datum		result;

	LOCAL_FCINFO(fcinfo, 1);

	fmgr_info(call->function, &flinfo);
	InitFunctionCallInfoData(*fcinfo, &flinfo, 1, InvalidOid, NULL, NULL);
	fcinfo->args[0].value = argument;
	fcinfo->args[0].isnull = false;

	CommandCounterIncrement();
	PushActiveSnapshot(GetTransactionSnapshot());
	result = FunctionCallInvoke(fcinfo);
	*isnull = fcinfo->isnull;
	PopActiveSnapshot();
	CommandCounterIncrement();
	return result;
}

/*
 * Call it as the right role.  An error needs no clean-up of its own: the
 * abort of the (sub)transaction restores the user and the settings.
 */
static Datum
invoke_as(const Call *call, Datum argument, bool *isnull)
{
	ErrorContextCallback context = {
		.previous = error_context_stack,
		.callback = describe_call,
		.arg = (void *) call,
	};
	int			level = NewGUCNestLevel();
	bool		was_read_only = XactReadOnly;
	Datum		result;
	Oid			user;
	int			security;

	error_context_stack = &context;
	GetUserIdAndSecContext(&user, &security);
	if (call->as_owner)
	{
		SetUserIdAndSecContext(call->owner, security |
							   SECURITY_LOCAL_USERID_CHANGE |
							   SECURITY_RESTRICTED_OPERATION);
		evaudit_set_locally("search_path", "pg_catalog, pg_temp");
	}
	/* not by set_config_option(), which refuses that within functions */
	XactReadOnly |= call->use->read_only;
	result = invoke(call, argument, isnull);
	XactReadOnly = was_read_only;
	/* not committed: settings go back to what they were */
	AtEOXact_GUC(false, level);
	SetUserIdAndSecContext(user, security);
	error_context_stack = context.previous;
	return result;
}

/* Call a function, of that owner, within a transaction. */
static Datum
call_function(const EvauditFunctionUse *use, Oid function, Oid owner,
			  Datum argument, bool *isnull)
{
	Call		call = {.use = use,.function = function,.owner = owner};

	call.as_owner = !evaudit_compat_can_set_role(owner, GetUserId());
	check_caller(&call);
	InvokeFunctionExecuteHook(function);
	return invoke_as(&call, argument, isnull);
}

/*
 * Call a function, of that owner, with events, within a transaction and in a
 * memory context of its own.  Whatever it raises is the caller's to handle.
 */
void
evaudit_event_function_call(const EvauditFunctionUse *use, Oid function,
							Oid owner, const EvauditEventValue *events, int n)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit function",
												  ALLOCSET_DEFAULT_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	bool		isnull;

	(void) call_function(use, function, owner,
						 evaudit_event_array(events, n), &isnull);
	MemoryContextSwitchTo(previous);
	MemoryContextDelete(context);
}

/*
 * Call a function of one event likewise; returns its document, in the current
 * memory context, or NULL.
 */
Jsonb *
evaudit_event_function_apply(const EvauditFunctionUse *use, Oid function,
							 Oid owner, const EvauditEventValue *event)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "evaudit function",
												  ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Jsonb	   *result = NULL;
	bool		isnull;
	Datum		value = call_function(use, function, owner,
									  evaudit_event_datum(event), &isnull);

	MemoryContextSwitchTo(previous);
	if (!isnull)
		result = DatumGetJsonbPCopy(value);
	MemoryContextDelete(context);
	return result;
}

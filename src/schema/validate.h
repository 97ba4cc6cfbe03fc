/*-------------------------------------------------------------------------
 *
 * validate.h
 *	  The state of one validation, and what its parts do for each other.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_VALIDATE_H
#define EVAUDIT_SCHEMA_VALIDATE_H

#include "schema/compiled.h"

/* A value that is validated, and where it is; on the stack of its visitor. */
typedef struct Instance
{
	const struct Instance *parent;	/* NULL: the whole instance */
	const char *key;			/* NULL: an element */
	uint32		key_len;
	uint32		index;
	SchemaValue value;
	SchemaMember *members;		/* decoded when first asked for */
	SchemaValue *elements;
} Instance;

/* A node under evaluation: the way there is the dynamic scope, too. */
typedef struct SchemaPath
{
	const struct SchemaPath *parent;
	const char *step;
	const SchemaNode *node;
	const Instance *instance;
} SchemaPath;

/* Which members or elements of an instance were evaluated. */
typedef struct Evaluated
{
	uint32		n;
	uint64		few;			/* bits, while n <= 64 */
	uint64	   *many;
} Evaluated;

typedef struct Validation
{
	int64		steps;			/* left */
	int64		next_check;		/* look for interrupts below this one */
	bool		assert_format;
	bool		collect;		/* look for all violations, not for one */
	bool		stop;			/* given up, or enough errors */
	int			max_errors;
	List	   *errors;
	EvauditSchemaError *gave_up;
} Validation;

/*
 * In a function that returns whether all is well, with "v" and "ok": go on
 * only if more violations are wanted.
 */
#define REQUIRE(condition) \
	do { \
		if (!(condition)) \
		{ \
			if (!v->collect || v->stop) \
				return false; \
			ok = false; \
		} \
	} while (0)

/* validate.c */
extern bool evaudit_validate_node(Validation *v, const SchemaNode *node,
								  Instance *instance,
								  const SchemaPath *parent, const char *step,
								  Evaluated *evaluated);
extern bool evaudit_validate_member(Validation *v, const SchemaNode *node,
									const Instance *object, uint32 i,
									const SchemaPath *path);
extern bool evaudit_validate_element(Validation *v, const SchemaNode *node,
									 const Instance *array, uint32 i,
									 const SchemaPath *path);
extern const SchemaMember *evaudit_instance_members(Instance *instance);
extern const SchemaValue *evaudit_instance_elements(Instance *instance);

/* violation.c */
extern bool evaudit_violation(Validation *v, const SchemaPath *path,
							  const char *keyword, const Instance *instance,
							  const char *fmt,...) pg_attribute_printf(5, 6);
extern bool evaudit_give_up(Validation *v, const SchemaPath *path,
							const char *keyword, const Instance *instance,
							const char *reason);
extern bool evaudit_spend_slowly(Validation *v, const SchemaPath *path,
								 const Instance *instance);

/* validate_scalar.c, validate_array.c, validate_object.c, validate_in_place.c */
extern bool evaudit_validate_value(Validation *v, const SchemaPath *path,
								   const Instance *instance);
extern bool evaudit_validate_number(Validation *v, const SchemaPath *path,
									const Instance *instance);
extern bool evaudit_validate_string(Validation *v, const SchemaPath *path,
									const Instance *instance);
extern bool evaudit_validate_array(Validation *v, const SchemaPath *path,
								   Instance *instance, Evaluated *evaluated);
extern bool evaudit_validate_object(Validation *v, const SchemaPath *path,
									Instance *instance, Evaluated *evaluated);
extern bool evaudit_validate_in_place(Validation *v, const SchemaPath *path,
									  Instance *instance,
									  Evaluated *evaluated);
extern bool evaudit_validate_dependent(Validation *v, const SchemaPath *path,
									   Instance *instance,
									   Evaluated *evaluated);

/* evaluated.c */
extern void evaudit_evaluated_init(Evaluated *evaluated, uint32 n);
extern void evaudit_evaluated_free(Evaluated *evaluated);
extern void evaudit_evaluated_merge(Evaluated *evaluated,
									const Evaluated *more);
extern void evaudit_evaluated_all(Evaluated *evaluated);

/* Take steps; false, and the validation given up, when none are left. */
static inline bool
evaudit_spend(Validation *v, int64 steps, const SchemaPath *path,
			  const Instance *instance)
{
	v->steps -= steps;
	return v->steps >= v->next_check ||
		evaudit_spend_slowly(v, path, instance);
}

static inline void
evaudit_evaluated_add(Evaluated *evaluated, uint32 i)
{
	uint64	   *bits;

	if (evaluated == NULL)
		return;
	bits = evaluated->many != NULL ? evaluated->many : &evaluated->few;
	bits[i / 64] |= UINT64CONST(1) << (i % 64);
}

static inline bool
evaudit_evaluated_has(const Evaluated *evaluated, uint32 i)
{
	const uint64 *bits = evaluated->many != NULL ?
		evaluated->many : &evaluated->few;

	return (bits[i / 64] & UINT64CONST(1) << (i % 64)) != 0;
}

#endif							/* EVAUDIT_SCHEMA_VALIDATE_H */

/*-------------------------------------------------------------------------
 *
 * evaluated.c
 *	  Which members or elements were evaluated, for unevaluatedProperties
 *	  and unevaluatedItems.
 *
 * Only below a node with one of these keywords is it kept.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "schema/validate.h"

/* How many words of 64 bits there are. */
static uint32
count_words(const Evaluated *evaluated)
{
	return (evaluated->n + 63) / 64;
}

/* None of n are. */
void
evaudit_evaluated_init(Evaluated *evaluated, uint32 n)
{
	evaluated->n = n;
	evaluated->few = 0;
	evaluated->many = NULL;
	if (n > 64)
		evaluated->many = palloc0(sizeof(uint64) * count_words(evaluated));
}

/* Give back what evaudit_evaluated_init() took. */
void
evaudit_evaluated_free(Evaluated *evaluated)
{
	if (evaluated->many != NULL)
		pfree(evaluated->many);
}

/* Add those of another one of the same instance. */
void
evaudit_evaluated_merge(Evaluated *evaluated, const Evaluated *more)
{
	evaluated->few |= more->few;
	if (more->many != NULL)
	{
		for (uint32 i = 0; i < count_words(more); i++)
			evaluated->many[i] |= more->many[i];
	}
}

/* All are. */
void
evaudit_evaluated_all(Evaluated *evaluated)
{
	evaluated->few = ~UINT64CONST(0);
	if (evaluated->many != NULL)
		memset(evaluated->many, 0xFF,
			   sizeof(uint64) * count_words(evaluated));
}

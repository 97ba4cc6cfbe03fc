/*-------------------------------------------------------------------------
 *
 * options.h
 *	  The program's options: their names, bounds and initial values.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_OPTIONS_H
#define FRONT_OPTIONS_H

#include <stddef.h>

#define MAX_OPTIONS		64

typedef enum OptionKind
{
	OPTION_STRING,
	OPTION_NUMBER,
	OPTION_LIST,				/* may be repeated */
	OPTION_FILE					/* names the file with others */
} OptionKind;

typedef struct Option
{
	const char *name;
	OptionKind	kind;
	size_t		offset;			/* of its field in Config */
	const char *initial;		/* NULL: none */
	int			min;
	int			max;
	const char *argument;		/* for the usage */
	const char *help;
} Option;

extern const Option options[];	/* the last one has no name */

extern void options_usage(void) __attribute__((noreturn));

#endif							/* FRONT_OPTIONS_H */

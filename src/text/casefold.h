/*-------------------------------------------------------------------------
 *
 * casefold.h
 *	  Names that are the same but for their case.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CASEFOLD_H
#define EVAUDIT_CASEFOLD_H

extern char *evaudit_casefold(const char *str);

#endif							/* EVAUDIT_CASEFOLD_H */

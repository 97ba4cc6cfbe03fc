/*-------------------------------------------------------------------------
 *
 * extension.h
 *	  Where the extension is installed.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_EXTENSION_H
#define EVAUDIT_EXTENSION_H

extern Oid	evaudit_extension_schema(void);
extern const char *evaudit_extension_schema_name(void);

#endif							/* EVAUDIT_EXTENSION_H */

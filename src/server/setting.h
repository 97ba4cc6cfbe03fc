/*-------------------------------------------------------------------------
 *
 * setting.h
 *	  Settings that last to the end of a nesting level.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SETTING_H
#define EVAUDIT_SETTING_H

extern void evaudit_set_locally(const char *name, const char *value);

#endif							/* EVAUDIT_SETTING_H */

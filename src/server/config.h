/*-------------------------------------------------------------------------
 *
 * config.h
 *	  The settings evaudit.*, each defined once, in config.c.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_CONFIG_H
#define EVAUDIT_CONFIG_H

/* Sources and partitions that shared memory has room for. */
extern int	evaudit_max_sources;
extern int	evaudit_max_partitions;

/* Longest pause between two attempts of a failing source, milliseconds. */
extern int	evaudit_max_backoff;

extern void evaudit_config_init(void);

#endif							/* EVAUDIT_CONFIG_H */

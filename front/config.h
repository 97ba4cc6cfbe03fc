/*-------------------------------------------------------------------------
 *
 * config.h
 *	  What the program is told at its start, and by SIGHUP.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_CONFIG_H
#define FRONT_CONFIG_H

#include "options.h"

extern Config config;

extern void config_read(int argc, char **argv);
extern void config_reload(void);
extern size_t config_max_body(void);

#endif							/* FRONT_CONFIG_H */

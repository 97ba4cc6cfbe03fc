/*-------------------------------------------------------------------------
 *
 * startup.h
 *	  Whether the role is set up for a front, asked once.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_STARTUP_H
#define FRONT_STARTUP_H

#include "connection.h"

extern void startup_check(Connection *c);
extern void startup_check_again(void);

#endif							/* FRONT_STARTUP_H */

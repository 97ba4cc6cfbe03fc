/*-------------------------------------------------------------------------
 *
 * listener.h
 *	  Listening sockets.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_LISTENER_H
#define FRONT_LISTENER_H

#include <stdint.h>

extern void listeners_prepare(void);
extern void listeners_start(void);
extern void listeners_run(void);
extern int64_t listeners_until(int64_t until);
extern void listeners_quiesce(void);
extern void listeners_stop(void);

#endif							/* FRONT_LISTENER_H */

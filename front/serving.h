/*-------------------------------------------------------------------------
 *
 * serving.h
 *	  Listening sockets, served by libmicrohttpd.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_SERVING_H
#define FRONT_SERVING_H

#include <stdint.h>

extern void serving_start(int process);
extern void serving_reload(void);
extern void serving_run(void);
extern int64_t serving_until(int64_t until);
extern void serving_quiesce(void);

#endif							/* FRONT_SERVING_H */

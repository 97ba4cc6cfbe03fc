/*-------------------------------------------------------------------------
 *
 * loop.h
 *	  One wait for everything: descriptors, times, signals.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_LOOP_H
#define FRONT_LOOP_H

#include <stdbool.h>
#include <stdint.h>

/* A descriptor that the loop waits for; embed it in what it belongs to. */
typedef struct Watch
{
	int			fd;
	uint32_t	events;			/* EPOLLIN, EPOLLOUT; 0: not waited for */
	void		(*ready) (struct Watch *watch, uint32_t events);
	void	   *arg;
} Watch;

extern void loop_init(void);
extern void loop_watch(Watch *watch, int fd, uint32_t events);
extern void loop_forget(Watch *watch);
extern void loop_wait(int64_t until);
extern int64_t now_ms(void);
extern int64_t now_us(void);

#endif							/* FRONT_LOOP_H */

/*-------------------------------------------------------------------------
 *
 * rate_limit.h
 *	  How often a subject may publish to a topic.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_RATE_LIMIT_H
#define EVAUDIT_HTTP_RATE_LIMIT_H

extern void evaudit_rate_limit_init(void);
extern bool evaudit_rate_limit_is_shared(void);
extern int	evaudit_rate_limit_wait(const char *topic, const char *subject);

#endif							/* EVAUDIT_HTTP_RATE_LIMIT_H */

/*-------------------------------------------------------------------------
 *
 * counts.h
 *	  How many requests were responded to, by status, for metrics.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_HTTP_COUNTS_H
#define EVAUDIT_HTTP_COUNTS_H

extern void evaudit_http_counts_init(void);
extern void evaudit_http_count(bool admin, int status);

#endif							/* EVAUDIT_HTTP_COUNTS_H */

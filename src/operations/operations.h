/*-------------------------------------------------------------------------
 *
 * operations.h
 *	  What the room of operations has for the server.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_OPERATIONS_H
#define EVAUDIT_OPERATIONS_H

extern void evaudit_operations_init(void);

#endif							/* EVAUDIT_OPERATIONS_H */

/*-------------------------------------------------------------------------
 *
 * buffer.h
 *	  Bytes that grow.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_BUFFER_H
#define FRONT_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

typedef struct Buffer
{
	char	   *data;			/* a zero follows; NULL while empty */
	size_t		len;
	size_t		size;
} Buffer;

extern void buffer_append(Buffer *buffer, const void *data, size_t len);
extern void buffer_puts(Buffer *buffer, const char *string);
extern void buffer_printf(Buffer *buffer, const char *fmt,...)
			__attribute__((format(printf, 2, 3)));
extern void buffer_json(Buffer *buffer, const char *string);
extern void buffer_free(Buffer *buffer);

extern void *xcalloc(size_t n, size_t size);
extern char *xstrdup(const char *string);

#endif							/* FRONT_BUFFER_H */

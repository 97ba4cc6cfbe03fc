/*-------------------------------------------------------------------------
 *
 * buffer.c
 *	  Bytes that grow, and memory that is there or ends the program.
 *
 * What strangers send is bounded before it gets here, so a lack of memory is
 * not theirs to cause: the process ends, and the one that started it starts
 * another.
 *
 *-------------------------------------------------------------------------
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "buffer.h"

/* End the process. */
static void
out_of_memory(void)
{
	static const char text[] = "evaudit-http: out of memory\n";

	fputs(text, stderr);
	abort();
}

/* calloc() that does not fail. */
void *
xcalloc(size_t n, size_t size)
{
	void	   *p = calloc(n, size);

	if (p == NULL)
		out_of_memory();
	return p;
}

/* strdup() that does not fail. */
char *
xstrdup(const char *string)
{
	char	   *copy = strdup(string);

	if (copy == NULL)
		out_of_memory();
	return copy;
}

/* Make room for some more bytes and a zero. */
static void
reserve(Buffer *buffer, size_t len)
{
	size_t		size = buffer->size > 0 ? buffer->size : 64;

	while (size - buffer->len <= len)
		size *= 2;
	if (size == buffer->size)
		return;
	buffer->data = realloc(buffer->data, size);
	if (buffer->data == NULL)
		out_of_memory();
	buffer->size = size;
}

/* Add bytes. */
void
buffer_append(Buffer *buffer, const void *data, size_t len)
{
	reserve(buffer, len);
	if (len > 0)
		memcpy(buffer->data + buffer->len, data, len);
	buffer->len += len;
	buffer->data[buffer->len] = '\0';
}

/* Add a string. */
void
buffer_puts(Buffer *buffer, const char *string)
{
	buffer_append(buffer, string, strlen(string));
}

/* Add formatted text. */
void
buffer_printf(Buffer *buffer, const char *fmt,...)
{
	va_list		args;
	int			len;

	va_start(args, fmt);
	len = vsnprintf(NULL, 0, fmt, args);
	va_end(args);
	reserve(buffer, len);
	va_start(args, fmt);
	vsnprintf(buffer->data + buffer->len, len + 1, fmt, args);
	va_end(args);
	buffer->len += len;
}

/* Add a string as JSON, in quotes; the caller has made sure it is UTF-8. */
void
buffer_json(Buffer *buffer, const char *string)
{
	buffer_append(buffer, "\"", 1);
	for (const unsigned char *p = (const unsigned char *) string; *p; p++)
	{
		if (*p == '"' || *p == '\\')
			buffer_append(buffer, "\\", 1);
		if (*p < 0x20)
			buffer_printf(buffer, "\\u%04x", *p);
		else
			buffer_append(buffer, p, 1);
	}
	buffer_append(buffer, "\"", 1);
}

/* Give the memory back; the buffer is empty then. */
void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	memset(buffer, 0, sizeof(*buffer));
}

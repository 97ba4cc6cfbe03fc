/*-------------------------------------------------------------------------
 *
 * utf8.h
 *	  Whether bytes are UTF-8.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_UTF8_H
#define FRONT_UTF8_H

#include <stdbool.h>

extern bool is_utf8(const char *string);

#endif							/* FRONT_UTF8_H */

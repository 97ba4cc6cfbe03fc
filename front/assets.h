/*-------------------------------------------------------------------------
 *
 * assets.h
 *	  The files of Swagger UI, which the page at /docs loads.
 *
 *-------------------------------------------------------------------------
 */
#ifndef FRONT_ASSETS_H
#define FRONT_ASSETS_H

#include <stddef.h>

extern int	asset_open(const char *uri, const char **type, size_t *size);

#endif							/* FRONT_ASSETS_H */

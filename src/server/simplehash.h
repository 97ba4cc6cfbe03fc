/*-------------------------------------------------------------------------
 *
 * simplehash.h
 *	  PostgreSQL's hash table template, to be included instead of
 *	  lib/simplehash.h.
 *
 * Like the original it is included once for each table and so has no guard.
 * That of 15 has a variable that shadows another one, which -Wshadow reports
 * where the template is expanded.
 *
 *-------------------------------------------------------------------------
 */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#include "lib/simplehash.h"
#pragma GCC diagnostic pop

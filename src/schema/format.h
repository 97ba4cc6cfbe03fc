/*-------------------------------------------------------------------------
 *
 * format.h
 *	  The formats that strings can be asked to have.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_SCHEMA_FORMAT_H
#define EVAUDIT_SCHEMA_FORMAT_H

/* A check takes a string in the server's encoding, without an end. */
typedef bool (*EvauditFormatCheck) (const char *s, size_t len);

typedef struct EvauditFormat
{
	const char *name;
	EvauditFormatCheck check;
	int			steps;			/* what a check costs, for each 16 bytes */
	bool		old;			/* of draft 4 and 6 alone */
} EvauditFormat;

extern const EvauditFormat *evaudit_format_find(const char *name, size_t len,
												bool old);

/* format_time.c */
extern bool evaudit_format_duration(const char *s, size_t len);

/* format_uri.c */
extern bool evaudit_format_uri(const char *s, size_t len);
extern bool evaudit_format_uri_reference(const char *s, size_t len);
extern bool evaudit_format_uri_template(const char *s, size_t len);
extern bool evaudit_format_iri(const char *s, size_t len);
extern bool evaudit_format_iri_reference(const char *s, size_t len);

/* format_host.c */
extern bool evaudit_format_hostname(const char *s, size_t len);
extern bool evaudit_format_old_hostname(const char *s, size_t len);
extern bool evaudit_format_ipv4(const char *s, size_t len);
extern bool evaudit_format_ipv6(const char *s, size_t len);
extern bool evaudit_format_email(const char *s, size_t len);
extern bool evaudit_format_idn_email(const char *s, size_t len);

#endif							/* EVAUDIT_SCHEMA_FORMAT_H */

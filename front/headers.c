/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  The head of a request: checked, and as evaudit.http() takes it.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "config.h"
#include "headers.h"

/* Most headers of a request. */
#define MAX_HEADERS		100

/* What is gathered of the headers. */
typedef struct Head
{
	Buffer	   *json;
	const char *names[MAX_HEADERS];
	int			n;				/* of these, each of which is sent */
	int			received;
	int			lengths;		/* Content-Length headers */
	int			encodings;		/* Transfer-Encoding */
	int			authorizations;
	bool		request_id;
	const char *length;
	int			status;			/* 0: all is well */
	const char *error;
} Head;

/* Whether a string is UTF-8; RFC 3629, without surrogates and long forms. */
static bool
is_utf8(const char *string)
{
	const unsigned char *p = (const unsigned char *) string;

	while (*p != '\0')
	{
		int			more = *p < 0x80 ? 0 : *p >= 0xc2 && *p < 0xe0 ? 1 :
			*p >= 0xe0 && *p < 0xf0 ? 2 : *p >= 0xf0 && *p < 0xf5 ? 3 : -1;

		if (more < 0 || (*p == 0xe0 && p[1] < 0xa0) ||
			(*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) ||
			(*p == 0xf4 && p[1] > 0x8f))
			return false;
		for (p++; more > 0; more--, p++)
		{
			if ((*p & 0xc0) != 0x80)
				return false;
		}
	}
	return true;
}

/* Refuse the request, for the first reason that is found. */
static void
refuse(Head *head, int status, const char *error)
{
	if (head->status == 0)
	{
		head->status = status;
		head->error = error;
	}
}

/* Whether a header of this name was there before. */
static bool
seen(const Head *head, const char *name)
{
	for (int i = 0; i < head->n; i++)
	{
		if (strcasecmp(head->names[i], name) == 0)
			return true;
	}
	return false;
}

/* Take one header; of several of one name the first holds. */
static enum MHD_Result
take_header(void *arg, enum MHD_ValueKind kind, const char *name,
			const char *value)
{
	Head	   *head = arg;

	if (value == NULL)
		value = "";
	if (strcasecmp(name, "Content-Length") == 0)
	{
		head->lengths++;
		head->length = value;
	}
	head->encodings += strcasecmp(name, "Transfer-Encoding") == 0;
	head->authorizations += strcasecmp(name, "Authorization") == 0;
	head->request_id |= strcasecmp(name, "X-Request-Id") == 0;
	if (head->received++ == MAX_HEADERS)
	{
		refuse(head, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
			   "Headers are too many.");
		return MHD_NO;
	}
	if (!is_utf8(name) || !is_utf8(value))
	{
		refuse(head, MHD_HTTP_BAD_REQUEST, "Headers must be UTF-8.");
		return MHD_NO;
	}
	/* between the front and the database alone */
	if (seen(head, name) || strncasecmp(name, "X-Evaudit-", 10) == 0)
		return MHD_YES;
	if (head->n > 0)
		buffer_puts(head->json, ",");
	buffer_json(head->json, name);
	buffer_puts(head->json, ":");
	buffer_json(head->json, value);
	head->names[head->n++] = name;
	return MHD_YES;
}

/* Give the request an id, for logs here and there. */
static void
add_request_id(Head *head)
{
	unsigned char random[16];

	if (getrandom(random, sizeof(random), 0) != sizeof(random))
		return;
	buffer_puts(head->json, head->n > 0 ? ",\"x-request-id\":\"" :
				"\"x-request-id\":\"");
	for (size_t i = 0; i < sizeof(random); i++)
		buffer_printf(head->json, "%02x", random[i]);
	buffer_puts(head->json, "\"");
}

/* Check what says how long the body is. */
static void
check_length(Head *head)
{
	char	   *end;
	unsigned long long length;

	if (head->lengths > 1 || (head->lengths > 0 && head->encodings > 0) ||
		head->encodings > 1)
	{
		refuse(head, MHD_HTTP_BAD_REQUEST, "The length of the body is ambiguous.");
		return;
	}
	if (head->lengths == 0)
		return;
	errno = 0;
	length = strtoull(head->length, &end, 10);
	if (errno == ERANGE || length > config.max_body)
		refuse(head, MHD_HTTP_CONTENT_TOO_LARGE, "Body is too large.");
}

/*
 * Read the headers into a JSON object.  Returns 0, or the status that the
 * request is refused with.
 */
int
headers_read(Request *request, const char **error)
{
	Head		head = {.json = &request->headers};

	buffer_puts(head.json, "{");
	if (!is_utf8(request->uri))
		refuse(&head, MHD_HTTP_BAD_REQUEST, "The path must be UTF-8.");
	(void) MHD_get_connection_values(request->connection, MHD_HEADER_KIND,
									 take_header, &head);
	check_length(&head);
	if (head.authorizations > 1)
		refuse(&head, MHD_HTTP_BAD_REQUEST, "Authorization is given twice.");
	if (!head.request_id)
		add_request_id(&head);
	buffer_puts(head.json, "}");
	*error = head.error;
	return head.status;
}

/* Log a path, without its query, which may hold anything. */
void
headers_put_path(Buffer *line, const char *uri)
{
	char		path[256];

	snprintf(path, sizeof(path), "%.*s", (int) strcspn(uri, "?#"), uri);
	buffer_json(line, is_utf8(path) ? path : "");
}

/* The address of a client: its own, or what a trusted proxy says. */
void
headers_put_client(Buffer *line, struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info =
		MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
	const struct sockaddr *address = info != NULL ? info->client_addr : NULL;
	char		text[INET6_ADDRSTRLEN] = "";
	const char *forwarded = NULL;

	if (address != NULL && address->sa_family == AF_INET)
		inet_ntop(AF_INET, &((const struct sockaddr_in *) address)->sin_addr,
				  text, sizeof(text));
	else if (address != NULL && address->sa_family == AF_INET6)
		inet_ntop(AF_INET6, &((const struct sockaddr_in6 *) address)->sin6_addr,
				  text, sizeof(text));
	if (config.trusted_proxy != NULL && strcmp(text, config.trusted_proxy) == 0)
		forwarded = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
												"X-Forwarded-For");
	if (forwarded != NULL && is_utf8(forwarded))
	{
		/* the last one is what the proxy itself saw */
		const char *comma = strrchr(forwarded, ',');

		forwarded = comma != NULL ? comma + 1 : forwarded;
		snprintf(text, sizeof(text), "%s",
				 forwarded + strspn(forwarded, " "));
	}
	buffer_json(line, text);
}

/*-------------------------------------------------------------------------
 *
 * headers.c
 *	  The head of a request: checked, and as evaudit.http() takes it.
 *
 * What could mean two things to two programs is refused, since one of them may
 * be a proxy before us: Content-Length twice or beside Transfer-Encoding, a
 * coding other than chunked, names that are no tokens (RFC 9112, 5.1 and 6.3),
 * values that go on in the next line, control characters and bytes of zero,
 * chunks of HTTP/1.0, Host and Authorization twice.
 *
 *-------------------------------------------------------------------------
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>

#include <microhttpd.h>

#include "between.h"
#include "config.h"
#include "headers.h"
#include "utf8.h"

/* Most headers of a request. */
#define MAX_HEADERS		100

/* Longest id of a request. */
#define MAX_ID			64

/* Characters of a token; RFC 9110, 5.6.2. */
#define TOKEN	"!#$%&'*+-.^_`|~0123456789" \
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

/* Characters that are in no value; RFC 9110, 5.5. */
#define CONTROLS	"\001\002\003\004\005\006\007\010\012\013\014\015\016\017" \
	"\020\021\022\023\024\025\026\027\030\031\032\033\034\035\036\037\177"

/* What is gathered of the headers. */
typedef struct Head
{
	Buffer	   *json;
	const char *names[MAX_HEADERS];
	int			n;				/* of these, each of which is sent */
	int			received;
	int			hosts;			/* Host headers */
	int			lengths;		/* Content-Length */
	int			encodings;		/* Transfer-Encoding */
	int			authorizations;
	char	   *id;				/* the request's; "": it has none */
	const char *length;
	const char *end;			/* of the last value; NULL: there is none */
	int			status;			/* 0: all is well */
	const char *error;
} Head;

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

/* Take the id that the sender has given, if it is safe in a log. */
static void
set_id(Head *head, const char *value)
{
	if (strlen(value) <= MAX_ID && value[strspn(value, TOKEN)] == '\0')
		strcpy(head->id, value);
}

/* Count those that may be there once at most. */
static void
count_header(Head *head, const char *name, const char *value)
{
	if (strcasecmp(name, "Content-Length") == 0)
	{
		head->lengths++;
		head->length = value;
	}
	else if (strcasecmp(name, "Transfer-Encoding") == 0)
	{
		head->encodings++;
		if (strcasecmp(value, "chunked") != 0)
			refuse(head, MHD_HTTP_NOT_IMPLEMENTED,
				   "The transfer coding is not implemented.");
	}
	else if (strcasecmp(name, "Host") == 0)
		head->hosts++;
	else if (strcasecmp(name, "Authorization") == 0)
		head->authorizations++;
	else if (strcasecmp(name, "X-Request-Id") == 0 && head->id[0] == '\0')
		set_id(head, value);
}

/* Add a header to the object. */
static void
add_header(Head *head, const char *name, const char *value)
{
	if (head->n > 0)
		buffer_puts(head->json, ",");
	buffer_json(head->json, name);
	buffer_puts(head->json, ":");
	buffer_json(head->json, value);
	head->names[head->n++] = name;
}

/* Whether a header is all that is in its line, and has no odd characters. */
static bool
is_well_formed(const Head *head, const char *name, size_t name_size,
			   const char *value, size_t value_size)
{
	return strlen(name) == name_size && name_size > 0 &&
		name[strspn(name, TOKEN)] == '\0' &&
		strlen(value) == value_size &&
		value[strcspn(value, CONTROLS)] == '\0' &&
		header_is_whole(name + name_size, value) &&
		(head->end == NULL || follows(head->end, name));
}

/* Take one header; of several of one name the first holds. */
static enum MHD_Result
take_header(void *arg, enum MHD_ValueKind kind, const char *name,
			size_t name_size, const char *value, size_t value_size)
{
	Head	   *head = arg;

	if (value == NULL)
		value = name + name_size;
	if (!is_well_formed(head, name, name_size, value, value_size))
	{
		refuse(head, MHD_HTTP_BAD_REQUEST, "A header is malformed.");
		return MHD_NO;
	}
	head->end = value + value_size;
	if (head->received++ == MAX_HEADERS)
	{
		refuse(head, MHD_HTTP_REQUEST_HEADER_FIELDS_TOO_LARGE,
			   "Headers are too many.");
		return MHD_NO;
	}
	if (!is_utf8(value))
	{
		refuse(head, MHD_HTTP_BAD_REQUEST, "Headers must be UTF-8.");
		return MHD_NO;
	}
	count_header(head, name, value);
	/* between the front and the database alone */
	if (!seen(head, name) && strncasecmp(name, "X-Evaudit-", 10) != 0)
		add_header(head, name, value);
	return MHD_YES;
}

/* Give the request an id, for logs here and there. */
static void
add_request_id(Head *head)
{
	static const char digits[] = "0123456789abcdef";
	static unsigned char random[4096];
	static size_t used = sizeof(random);

	if (used + 16 > sizeof(random))
	{
		if (getrandom(random, sizeof(random), 0) != sizeof(random))
			return;
		used = 0;
	}
	for (int i = 0; i < 32; i++)
		head->id[i] = digits[random[used + i / 2] >> (i % 2 ? 0 : 4) & 15];
	head->id[32] = '\0';
	used += 16;
	add_header(head, "x-request-id", head->id);
}

/* Check what says how long the body is. */
static void
check_length(Head *head, const char *version)
{
	unsigned long long length;

	if (head->encodings > 0 && strcmp(version, "HTTP/1.0") == 0)
		refuse(head, MHD_HTTP_BAD_REQUEST, "HTTP/1.0 has no transfer codings.");
	if (head->lengths > 1 || (head->lengths > 0 && head->encodings > 0) ||
		head->encodings > 1)
	{
		refuse(head, MHD_HTTP_BAD_REQUEST, "The length of the body is ambiguous.");
		return;
	}
	if (head->lengths == 0)
		return;
	if (head->length[0] == '\0' ||
		head->length[strspn(head->length, "0123456789")] != '\0')
	{
		refuse(head, MHD_HTTP_BAD_REQUEST, "The length of the body is malformed.");
		return;
	}
	errno = 0;
	length = strtoull(head->length, NULL, 10);
	if (errno == ERANGE || length > config_max_body())
		refuse(head, MHD_HTTP_CONTENT_TOO_LARGE, "Body is too large.");
}

/* Check where the request goes; one for a proxy names a host before its path. */
static void
check_uri(Head *head, char *uri)
{
	int			scheme = strncasecmp(uri, "http://", 7) == 0 ? 7 :
		strncasecmp(uri, "https://", 8) == 0 ? 8 : 0;

	if (scheme > 0)
	{
		char	   *path = uri + scheme + strcspn(uri + scheme, "/?#");

		if (*path != '/')
			*--path = '/';
		memmove(uri, path, strlen(path) + 1);
	}
	if (uri[0] != '/' && strcmp(uri, "*") != 0)
		refuse(head, MHD_HTTP_BAD_REQUEST, "The path is malformed.");
	if (!is_utf8(uri))
		refuse(head, MHD_HTTP_BAD_REQUEST, "The path must be UTF-8.");
}

/*
 * Read the headers into a JSON object.  Returns 0, or the status that the
 * request is refused with.
 */
int
headers_read(Request *request, const char *version, const char **error)
{
	Head		head = {.json = &request->headers,.id = request->id};

	buffer_puts(head.json, "{");
	if (!line_is_whole(request->method, request->uri_start, request->uri_end,
					   version))
		refuse(&head, MHD_HTTP_BAD_REQUEST, "The first line is malformed.");
	check_uri(&head, request->uri);
	(void) MHD_get_connection_values_n(request->connection, MHD_HEADER_KIND,
									   take_header, &head);
	if (head.end != NULL && !is_followed_by_end(head.end))
		refuse(&head, MHD_HTTP_BAD_REQUEST, "A header is malformed.");
	check_length(&head, version);
	if (head.hosts > 1)
		refuse(&head, MHD_HTTP_BAD_REQUEST, "Host is given twice.");
	if (head.authorizations > 1)
		refuse(&head, MHD_HTTP_BAD_REQUEST, "Authorization is given twice.");
	if (!seen(&head, "X-Request-Id") && head.n < MAX_HEADERS)
		add_request_id(&head);
	/* the response may have headers for the log */
	buffer_puts(head.json, head.n > 0 ? ",\"X-Evaudit-Front\":\"1\"}" :
				"\"X-Evaudit-Front\":\"1\"}");
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

/*
 * The address of a client: its own, or what trusted proxies say.  Each proxy
 * adds at the end what it saw itself, so the last one that is not a proxy's is
 * the client's, and what is before it anybody may have written.
 */
void
headers_client(const Request *request, const Address *peer, char *text,
			   int size)
{
	Address		address = *peer;
	char		list[512];
	const char *forwarded = NULL;

	if (address_is_trusted(&address))
		forwarded = MHD_lookup_connection_value(request->connection,
												MHD_HEADER_KIND,
												"X-Forwarded-For");
	if (forwarded != NULL && strlen(forwarded) < sizeof(list))
	{
		strcpy(list, forwarded);
		while (address_is_trusted(&address))
		{
			char	   *comma = strrchr(list, ',');
			char	   *last = comma != NULL ? comma + 1 : list;
			Address		next;

			last += strspn(last, " \t");
			last[strcspn(last, " \t")] = '\0';
			if (!address_parse(&next, last))
				break;
			address = next;
			if (comma == NULL)
				break;
			*comma = '\0';
		}
	}
	address_print(&address, text, size);
}

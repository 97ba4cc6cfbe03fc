/*-------------------------------------------------------------------------
 *
 * request.c
 *	  Reading a request: its path and its headers.
 *
 * Everything comes from strangers.  Each part has a limit, which is checked
 * before the part is read.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/uuid.h"

#include "http/request.h"
#include "http/settings.h"
#include "text/ascii.h"

/* Longest method and path, a query included, in bytes. */
#define MAX_METHOD			16
#define MAX_PATH			2048

/* Most headers, and most bytes of them all as jsonb. */
#define MAX_HEADERS			128
#define MAX_HEADER_BYTES	65536

/* Longest id that a request may bring along, in bytes. */
#define MAX_REQUEST_ID		128

/* Longest key of a request, in bytes. */
#define MAX_IDEMPOTENCY_KEY	256

/*
 * A part of a path with its escapes replaced, in the server's encoding; NULL
 * if it is not valid.
 */
const char *
evaudit_request_decode(const char *path, size_t len)
{
	char	   *decoded = palloc(len + 1);
	int			n = 0;

	for (size_t i = 0; i < len; i++)
	{
		int			c = (unsigned char) path[i];

		if (c == '%')
		{
			int			high = i + 2 < len ? evaudit_hex_digit(path[i + 1]) : -1;
			int			low = high >= 0 ? evaudit_hex_digit(path[i + 2]) : -1;

			if (low < 0)
				return NULL;
			c = high * 16 + low;
			i += 2;
		}
		if (c < 0x20 || c == 0x7f)
			return NULL;
		decoded[n++] = (char) c;
	}
	decoded[n] = '\0';
	if (pg_encoding_verifymbstr(PG_UTF8, decoded, n) != n)
		return NULL;
	return pg_any_to_server(decoded, n, PG_UTF8);
}

/* Whether headers are an object within the limits. */
static bool
check_headers(Jsonb *headers, EvauditResponse *response)
{
	if (headers == NULL)
		return true;
	if (!JB_ROOT_IS_OBJECT(headers))
	{
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   "Headers must be a JSON object.");
		return false;
	}
	if (JB_ROOT_COUNT(headers) > MAX_HEADERS ||
		VARSIZE(headers) > MAX_HEADER_BYTES)
	{
		evaudit_response_error(response, 431, EVAUDIT_PROBLEM_SIZE, "Headers are too large.");
		return false;
	}
	return true;
}

/* The text of a header; of a list, its first element. */
static const char *
header_text(const JsonbValue *value)
{
	JsonbValue *first;

	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type != jbvBinary ||
		!JsonContainerIsArray(value->val.binary.data))
		return NULL;
	first = getIthJsonbValueFromContainer(value->val.binary.data, 0);
	if (first == NULL || first->type != jbvString)
		return NULL;
	return pnstrdup(first->val.string.val, first->val.string.len);
}

/* The value of a header, named in any case, or NULL. */
const char *
evaudit_request_header(const EvauditRequest *request, const char *name)
{
	size_t		len = strlen(name);
	const char *str = NULL;
	bool		matches = false;
	JsonbIterator *it;
	JsonbIteratorToken token;
	JsonbValue	v;

	if (request->headers == NULL)
		return NULL;
	it = JsonbIteratorInit(&request->headers->root);
	while (str == NULL &&
		   (token = JsonbIteratorNext(&it, &v, true)) != WJB_DONE)
	{
		if (token == WJB_KEY)
			matches = v.val.string.len == len &&
				pg_strncasecmp(v.val.string.val, name, len) == 0;
		else if (token == WJB_VALUE && matches)
			str = header_text(&v);
	}
	return str;
}

/*
 * A parameter of the query, decoded; an empty text stands for one that is not
 * valid.  NULL if there is none.  Of several of one name the first holds.
 */
const char *
evaudit_request_parameter(const EvauditRequest *request, const char *name)
{
	size_t		name_len = strlen(name);
	const char *p = request->query;

	while (p != NULL && *p != '\0')
	{
		size_t		len = strcspn(p, "&");

		if (len > name_len && p[name_len] == '=' &&
			strncmp(p, name, name_len) == 0)
		{
			char	   *value = pnstrdup(p + name_len + 1, len - name_len - 1);
			const char *decoded;

			for (char *c = value; *c != '\0'; c++)
				*c = *c == '+' ? ' ' : *c;
			decoded = evaudit_request_decode(value, strlen(value));
			return decoded != NULL ? decoded : "";
		}
		p += len + (p[len] == '&');
	}
	return NULL;
}

/*
 * Read Idempotency-Key, a word or a string of structured fields (RFC 8941),
 * which is a word in quotes.  False if it is neither: then there is a
 * response.
 */
static bool
read_idempotency_key(EvauditRequest *request, EvauditResponse *response)
{
	const char *value = evaudit_request_header(request, "idempotency-key");
	char	   *key;
	size_t		len;

	if (value == NULL)
		return true;
	value += strspn(value, " \t");
	len = strlen(value);
	while (len > 0 && (value[len - 1] == ' ' || value[len - 1] == '\t'))
		len--;
	if (len >= 2 && value[0] == '"' && value[len - 1] == '"')
	{
		value++;
		len -= 2;
	}
	key = pnstrdup(value, len);
	if (!evaudit_is_word(key, MAX_IDEMPOTENCY_KEY) ||
		strpbrk(key, "\"\\") != NULL)
	{
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   psprintf("Idempotency-Key must have 1 to %d visible characters.",
										MAX_IDEMPOTENCY_KEY));
		return false;
	}
	request->idempotency_key = key;
	return true;
}

/*
 * Cut a path from its query.  One slash at its end says nothing, unless it is
 * all that there is.
 */
static void
read_path(EvauditRequest *request, const char *path)
{
	size_t		len = strcspn(path, "?#");

	if (path[len] == '?')
		request->query = pnstrdup(path + len + 1, strcspn(path + len + 1, "#"));
	if (len > 1 && path[len - 1] == '/')
		len--;
	request->path = pnstrdup(path, len);
}

/*
 * Read method and path into a request whose headers and body are set.  False
 * if the request is refused: then there is a response.
 */
bool
evaudit_request_read(EvauditRequest *request, const char *method,
					 const char *path, EvauditResponse *response)
{
	size_t		len = path != NULL ? strlen(path) : 0;

	if (len > MAX_PATH)
	{
		evaudit_response_error(response, 414, EVAUDIT_PROBLEM_SIZE, "Path is too long.");
		return false;
	}
	if (!check_headers(request->headers, response))
	{
		request->headers = NULL;
		return false;
	}
	if (request->body_len > (size_t) evaudit_http_max_body * 1024)
	{
		evaudit_response_error(response, 413, EVAUDIT_PROBLEM_SIZE, "Body is too large.");
		return false;
	}
	request->method = method;
	if (method == NULL || strlen(method) > MAX_METHOD ||
		path == NULL)
	{
		evaudit_response_error(response, 400, EVAUDIT_PROBLEM_VALIDATION,
							   "Method and path are needed.");
		return false;
	}
	read_path(request, path);
	return read_idempotency_key(request, response);
}

/* Whether an id is safe to put into logs and headers. */
static bool
is_valid_id(const char *id)
{
	if (id == NULL || *id == '\0' || strlen(id) > MAX_REQUEST_ID)
		return false;
	for (; *id != '\0'; id++)
	{
		if (!evaudit_is_alnum(*id) && strchr("-_.:/+=@", *id) == NULL)
			return false;
	}
	return true;
}

/*
 * The id of a request: the one in its headers, else the setting
 * evaudit.request_id, else a new one.
 */
const char *
evaudit_request_give_id(const EvauditRequest *request)
{
	const char *id = evaudit_request_header(request, "x-request-id");

	if (is_valid_id(id))
		return id;
	id = GetConfigOption("evaudit.request_id", true, false);
	if (is_valid_id(id))
		return pstrdup(id);
	return DatumGetCString(DirectFunctionCall1(uuid_out,
											   OidFunctionCall0(F_GEN_RANDOM_UUID)));
}

/*-------------------------------------------------------------------------
 *
 * request.c
 *	  The response of a request, and the memory that both take.
 *
 *-------------------------------------------------------------------------
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "request.h"

size_t		request_memory = 0;

/* Count the memory that a request has now. */
void
request_account(Request *request)
{
	size_t		memory = request->body.size +
		(request->sent > request->response.size ? request->sent :
		 request->response.size);

	request_memory += memory - request->memory;
	request->memory = memory;
}

/* Discard the response: the request is tried again, or is over. */
void
request_clear_response(Request *request)
{
	cJSON_Delete(request->response_headers);
	request->response_headers = NULL;
	buffer_free(&request->response);
	request->status = 0;
	request->sent = 0;
	request_account(request);
}

/* Respond with what evaudit.http() returned; headers are a JSON object. */
void
request_set_response(Request *request, int status, const char *headers,
					 size_t headers_len, const char *body, size_t body_len)
{
	request_clear_response(request);
	request->status = status;
	request->response_headers = cJSON_ParseWithLength(headers, headers_len);
	buffer_append(&request->response, body, body_len);
	request->sent = body_len;
	request_account(request);
}

/*
 * Respond with status, headers and body as a row has them from a column on, in
 * binary; false if they are not of these types.
 */
bool
request_take_response(Request *request, const PGresult * result, int row,
					  int column)
{
	uint32_t	status;

	if (PQgetlength(result, row, column) != sizeof(status) ||
		PQgetlength(result, row, column + 1) < 1)
		return false;
	memcpy(&status, PQgetvalue(result, row, column), sizeof(status));
	/* the first byte of a jsonb is the version of its format */
	request_set_response(request, (int) ntohl(status),
						 PQgetvalue(result, row, column + 1) + 1,
						 PQgetlength(result, row, column + 1) - 1,
						 PQgetvalue(result, row, column + 2),
						 PQgetlength(result, row, column + 2));
	return true;
}

/* Respond with an error, in the form that evaudit.http() gives them. */
void
request_set_error(Request *request, int status, const char *type,
				  const char *message)
{
	request_clear_response(request);
	request->status = status;
	request->response_headers = cJSON_CreateObject();
	(void) cJSON_AddStringToObject(request->response_headers, "Content-Type",
								   "application/json");
	if (request->id[0] != '\0')
		(void) cJSON_AddStringToObject(request->response_headers,
									   "X-Request-Id", request->id);
	if (status == 503)
		(void) cJSON_AddStringToObject(request->response_headers,
									   "Retry-After", "1");
	buffer_printf(&request->response,
				  "{\"success\":false,\"statusCode\":%d,\"errors\":[{\"type\":",
				  status);
	buffer_json(&request->response, type);
	buffer_puts(&request->response, ",\"message\":");
	buffer_json(&request->response, message);
	buffer_puts(&request->response, "}]}");
	request->sent = request->response.len;
	request_account(request);
}

/* A header of the response, or NULL. */
const char *
request_header(const Request *request, const char *name)
{
	const cJSON *header = cJSON_GetObjectItem(request->response_headers, name);

	return cJSON_IsString(header) ? header->valuestring : NULL;
}

/* The response is there. */
void
request_answered(Request *request)
{
	request->answered(request);
}

/* The request is over. */
void
request_free(Request *request)
{
	buffer_free(&request->headers);
	buffer_free(&request->body);
	request_clear_response(request);
	free(request->wait);
	free(request->uri);
	free(request);
}

/*-------------------------------------------------------------------------
 *
 * request.c
 *	  The response of a request.
 *
 *-------------------------------------------------------------------------
 */
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "request.h"

/* Forget the response: the request is tried again, or is over. */
void
request_clear_response(Request *request)
{
	cJSON_Delete(request->response_headers);
	request->response_headers = NULL;
	buffer_free(&request->response);
	request->status = 0;
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
}

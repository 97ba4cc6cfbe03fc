/*-------------------------------------------------------------------------
 *
 * sts.c
 *	  Roles, assumed by way of the AWS Security Token Service.
 *
 * STS speaks the older protocol of AWS: a form is sent, XML comes back.  A
 * role is assumed with other keys, or with a token of a web identity, which
 * needs no signature.  That token is the server's: it goes to STS itself or
 * to where the environment says STS is, never to a place that an option of a
 * foreign server names.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "lib/stringinfo.h"

#include "aws/client_internal.h"
#include "text/ascii.h"
#include "text/rfc3339.h"

#define MAX_RESPONSE		(64 * 1024)

/* Longest ARN of a user or role. */
#define MAX_ARN			2048

/* Begin the form of an action. */
static void
begin_form(StringInfo form, const char *action, const AwsRole *role)
{
	initStringInfo(form);
	evaudit_aws_form_field(form, "Action", action);
	evaudit_aws_form_field(form, "Version", "2011-06-15");
	evaudit_aws_form_field(form, "RoleArn", role->arn);
	evaudit_aws_form_field(form, "RoleSessionName",
						   role->session_name != NULL ? role->session_name : "evaudit");
	evaudit_aws_form_field(form, "DurationSeconds", role->duration);
}

/* STS itself, or where the environment says it is. */
static const char *
own_endpoint(const AwsConf *conf)
{
	const char *url = evaudit_aws_variable("AWS_ENDPOINT_URL_STS");

	return url != NULL ? url :
		evaudit_aws_own_endpoint(conf, "sts");
}

/* Where signed requests go: an option of the server may say. */
static const char *
chosen_endpoint(const AwsConf *conf)
{
	return conf->sts_endpoint != NULL ? conf->sts_endpoint :
		own_endpoint(conf);
}

/* Read the keys from a response. */
static AwsFound
read_keys(AwsCredentials *credentials, const char *xml, AwsKeys *keys)
{
	char	   *expires = evaudit_aws_xml_text(xml, "Expiration");

	keys->key_id = evaudit_aws_xml_text(xml, "AccessKeyId");
	keys->secret = evaudit_aws_xml_text(xml, "SecretAccessKey");
	keys->token = evaudit_aws_xml_text(xml, "SessionToken");
	if (keys->key_id == NULL || keys->secret == NULL || keys->token == NULL ||
		expires == NULL ||
		!evaudit_rfc3339_parse(expires, strlen(expires), &keys->expires))
		return evaudit_aws_fault(credentials,
								 "the response of AWS STS has no credentials");
	return AWS_FOUND;
}

/* Send a form to STS; with keys, signed by them. */
static EvauditHttpResponse *
call_sts(AwsCredentials *credentials, const char *url, StringInfo form,
		 const AwsKeys *with)
{
	const char *headers[3] = {
		"Content-Type: application/x-www-form-urlencoded; charset=utf-8"
	};
	EvauditHttpRequest request = {
		.url = url,.headers = headers,.body = form->data,
		.body_len = form->len,.sensitive = true,.max_bytes = MAX_RESPONSE,
		.ca_file = credentials->conf->ca_file,
		.connect_timeout = credentials->conf->connect_timeout,
		.timeout = credentials->conf->request_timeout
	};
	EvauditHttpResponse *http;

	if (with != NULL)
	{
		request.sigv4 = psprintf("aws:amz:%s:sts", credentials->conf->region);
		request.key_id = with->key_id;
		request.secret = with->secret;
		if (with->token != NULL)
			headers[1] = psprintf("X-Amz-Security-Token: %s", with->token);
	}
	http = evaudit_http_perform(credentials->http, &request);
	explicit_bzero(form->data, form->len);
	return http;
}

/* What is wrong with a response of STS. */
static char *
describe_fault(const EvauditHttpResponse *http)
{
	EvauditAwsResponse response = {0};

	evaudit_aws_classify_response(&response, http);
	return psprintf("%s%s%s", response.code, response.code[0] != '\0' ? ": " : "",
					response.message);
}

/* Take the keys of a role from a response, and give it back. */
static AwsFound
take_keys(AwsCredentials *credentials, const AwsRole *role, const char *url,
		  EvauditHttpResponse *http, AwsKeys *keys)
{
	AwsFound	found;

	if (http->fault == EVAUDIT_HTTP_OK && http->status == 200)
		found = read_keys(credentials, http->body, keys);
	else
		found = evaudit_aws_fault(credentials,
								  "could not assume role \"%s\" at %s: %s",
								  role->arn, url, describe_fault(http));
	evaudit_http_release(credentials->http, http);
	return found;
}

/* Assume a role with other keys. */
AwsFound
evaudit_aws_assume_role(AwsCredentials *credentials, const AwsRole *role,
						const AwsKeys *with, AwsKeys *keys)
{
	const char *url = chosen_endpoint(credentials->conf);
	StringInfoData form;

	begin_form(&form, "AssumeRole", role);
	evaudit_aws_form_field(&form, "ExternalId", role->external_id);
	return take_keys(credentials, role, url,
					 call_sts(credentials, url, &form, with), keys);
}

/* Assume a role with the token of a web identity, read anew each time. */
AwsFound
evaudit_aws_assume_by_token(AwsCredentials *credentials, const AwsRole *role,
							const char *token_file, AwsKeys *keys)
{
	const char *url = own_endpoint(credentials->conf);
	const char *error;
	char	   *token = evaudit_aws_read_file(token_file, &error);
	StringInfoData form;
	size_t		len;

	if (token == NULL)
		return evaudit_aws_fault(credentials, "%s", error != NULL ? error :
								 psprintf("file \"%s\" does not exist",
										  token_file));
	len = strlen(token);
	while (len > 0 && strchr(" \t\r\n", token[len - 1]) != NULL)
		token[--len] = '\0';
	begin_form(&form, "AssumeRoleWithWebIdentity", role);
	evaudit_aws_form_field(&form, "WebIdentityToken", token);
	explicit_bzero(token, len);
	return take_keys(credentials, role, url,
					 call_sts(credentials, url, &form, NULL), keys);
}

/* Ask STS whose the keys are: the ARN, or false and why it is not known. */
bool
evaudit_aws_caller(AwsCredentials *credentials, char **str)
{
	const char *url = chosen_endpoint(credentials->conf);
	StringInfoData form;
	EvauditHttpResponse *http;
	bool		ok;

	initStringInfo(&form);
	evaudit_aws_form_field(&form, "Action", "GetCallerIdentity");
	evaudit_aws_form_field(&form, "Version", "2011-06-15");
	http = call_sts(credentials, url, &form, &credentials->keys);
	ok = http->fault == EVAUDIT_HTTP_OK && http->status == 200;
	if (http->fault != EVAUDIT_HTTP_OK)
		*str = psprintf("could not reach %s: %s", url, describe_fault(http));
	else
		*str = ok ? evaudit_aws_xml_text(http->body, "Arn") :
			describe_fault(http);
	if (*str == NULL || (ok && !evaudit_is_word(*str, MAX_ARN)))
	{
		ok = false;
		*str = pstrdup("the response of AWS STS has no valid ARN");
	}
	evaudit_http_release(credentials->http, http);
	return ok;
}

/*-------------------------------------------------------------------------
 *
 * client_internal.h
 *	  What the files of the AWS client share; nobody else includes it.
 *
 *-------------------------------------------------------------------------
 */
#ifndef EVAUDIT_AWS_CLIENT_INTERNAL_H
#define EVAUDIT_AWS_CLIENT_INTERNAL_H

#include "aws/client.h"

/* Longest error about credentials. */
#define AWS_ERROR_BYTES		400

/* How a client is set up: the options of a server and of a user mapping. */
typedef struct AwsConf
{
	const char *region;
	const char *endpoint;		/* NULL: the service's own of the region */
	const char *sts_endpoint;	/* likewise */
	const char *s3_endpoint;	/* likewise */
	bool		use_fips;		/* validated endpoints of AWS itself */
	bool		use_dualstack;	/* those that have IPv6, too */
	const char *ca_file;		/* or NULL */
	int			connect_timeout;	/* milliseconds */
	int			request_timeout;

	/* of the user mapping, each NULL if not given */
	const char *key_id;
	const char *secret;
	const char *token;
	const char *role_arn;
	const char *external_id;
	const char *session_name;

	bool		ambient;		/* may use the credentials of the server */
} AwsConf;

/* What signs a request. */
typedef struct AwsKeys
{
	char	   *key_id;
	char	   *secret;
	char	   *token;			/* NULL: none */
	TimestampTz expires;		/* 0: never */
	const char *source;			/* where they are from, for people */
	bool		fixed;			/* another fetch would bring the same */
} AwsKeys;

/* The credentials in use, and how to get others. */
typedef struct AwsCredentials
{
	EvauditHttp *http;
	const AwsConf *conf;
	MemoryContext context;		/* of the keys in use */
	MemoryContext scratch;		/* of a fetch */

	AwsKeys		keys;			/* key_id NULL: none */
	uint32		generation;		/* number of the keys in use */
	bool		refused;		/* the service did not take them */
	TimestampTz fetched_at;		/* the last time, with or without success */
	TimestampTz next_fetch;		/* not before that */
	int			failures;		/* fetches that failed in a row */
	char		error[AWS_ERROR_BYTES]; /* why there are none */
} AwsCredentials;

/* What one place had to offer. */
typedef enum AwsFound
{
	AWS_NOT_THERE,				/* nothing: try the next place */
	AWS_FOUND,
	AWS_FAILED					/* it should be there: see error */
} AwsFound;

/* What a role is assumed with. */
typedef struct AwsRole
{
	const char *arn;
	const char *external_id;	/* or NULL */
	const char *session_name;	/* or NULL */
	const char *duration;		/* seconds, or NULL */
} AwsRole;

/* conf.c */
extern AwsConf *evaudit_aws_conf(List *options, bool ambient);

/* endpoint.c */
extern const char *evaudit_aws_own_endpoint(const AwsConf *conf,
											const char *host);

/* error.c */
extern void evaudit_aws_classify_response(EvauditAwsResponse *response,
										  const EvauditHttpResponse *http);

/* credentials.c */
extern AwsCredentials *evaudit_aws_credentials_open(EvauditHttp *http,
													const AwsConf *conf);
extern bool evaudit_aws_credentials_ready(AwsCredentials *credentials);
extern void evaudit_aws_credentials_refused(AwsCredentials *credentials,
											uint32 generation);

/* keys.c */
extern AwsFound evaudit_aws_fault(AwsCredentials *credentials,
								  const char *fmt,...)
			pg_attribute_printf(2, 3);
extern AwsFound evaudit_aws_check_keys(AwsCredentials *credentials,
									   const AwsKeys *keys);
extern AwsFound evaudit_aws_keys_of_json(AwsCredentials *credentials,
										 char *body, size_t len,
										 const char *place, AwsKeys *keys);
extern AwsFound evaudit_aws_environment(AwsCredentials *credentials,
										AwsKeys *keys);
extern const char *evaudit_aws_variable(const char *name);
extern char *evaudit_aws_read_file(const char *path, const char **error);

/* profile.c */
extern AwsFound evaudit_aws_profile(AwsCredentials *credentials,
									AwsKeys *keys);

/* sts.c */
extern AwsFound evaudit_aws_assume_role(AwsCredentials *credentials,
										const AwsRole *role,
										const AwsKeys *with, AwsKeys *keys);
extern AwsFound evaudit_aws_assume_by_token(AwsCredentials *credentials,
											const AwsRole *role,
											const char *token_file,
											AwsKeys *keys);

extern bool evaudit_aws_caller(AwsCredentials *credentials, char **str);

/* metadata.c */
extern AwsFound evaudit_aws_container(AwsCredentials *credentials,
									  AwsKeys *keys);
extern AwsFound evaudit_aws_instance(AwsCredentials *credentials,
									 AwsKeys *keys);

#endif							/* EVAUDIT_AWS_CLIENT_INTERNAL_H */

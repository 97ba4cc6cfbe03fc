/*-------------------------------------------------------------------------
 *
 * endpoint.c
 *	  Where the services of a region are.
 *
 * Each partition of AWS has domains of its own, one of IPv4 alone and one of
 * both protocols.  Endpoints with validated cryptography are named so, but
 * for the services of GovCloud that have no others.
 *
 *-------------------------------------------------------------------------
 */
#include "postgres.h"

#include "aws/client_internal.h"

/* The partitions by how their regions begin; the last one is of all others. */
static const struct
{
	const char *region;
	const char *domain;
	const char *dual_stack;
}			partitions[] = {
	{"cn-", "amazonaws.com.cn", "api.amazonwebservices.com.cn"},
	{"eusc-", "amazonaws.eu", "api.amazonwebservices.eu"},
	{"us-iso-", "c2s.ic.gov", "api.aws.ic.gov"},
	{"us-isob-", "sc2s.sgov.gov", "api.aws.scloud"},
	{"us-isof-", "csp.hci.ic.gov", "api.aws.hci.ic.gov"},
	{"eu-isoe-", "cloud.adc-e.uk", "api.cloud-aws.adc-e.uk"},
	{"", "amazonaws.com", "api.aws"},
};

/* Whether a string begins so. */
static bool
begins_with(const char *string, const char *start)
{
	return strncmp(string, start, strlen(start)) == 0;
}

/* Whether the plain name of a service stands for its validated endpoint. */
static bool
is_plain_validated(const char *host, const char *region)
{
	static const char *const plain[] = {"sqs", "sns", "sts", "events"};

	if (!begins_with(region, "us-gov-"))
		return false;
	for (int i = 0; i < lengthof(plain); i++)
	{
		if (strcmp(host, plain[i]) == 0)
			return true;
	}
	return false;
}

/* The endpoint of a service in the region of a server, by its options. */
const char *
evaudit_aws_own_endpoint(const AwsConf *conf, const char *host)
{
	bool		named = conf->use_fips &&
		(conf->use_dualstack || !is_plain_validated(host, conf->region));
	bool		dualstack = conf->use_dualstack && strcmp(host, "s3") == 0;
	int			i = 0;

	while (!begins_with(conf->region, partitions[i].region))
		i++;
	/* S3 had both protocols before there were domains of both */
	return psprintf("https://%s%s%s.%s.%s", host, named ? "-fips" : "",
					dualstack ? ".dualstack" : "", conf->region,
					conf->use_dualstack && !dualstack ?
					partitions[i].dual_stack : partitions[i].domain);
}

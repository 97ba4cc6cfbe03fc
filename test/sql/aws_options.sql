-- Options of evaudit_aws: where each belongs, what it may be, and who may set
-- it; what is refused repeats no secret.
\set VERBOSITY default
CREATE ROLE regress_aws LOGIN;
GRANT USAGE ON FOREIGN DATA WRAPPER evaudit_aws TO regress_aws;
SET ROLE regress_aws;

-- a server is in a region
CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws;
CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
	OPTIONS (endpoint_url 'http://localhost:4566');
CREATE SERVER aws FOREIGN DATA WRAPPER evaudit_aws
	OPTIONS (region 'eu-west-1');
ALTER SERVER aws OPTIONS (DROP region);
CREATE SERVER aws_cn FOREIGN DATA WRAPPER evaudit_aws
	OPTIONS (region 'cn-north-1', endpoint_url 'https://sqs.cn-north-1.amazonaws.com.cn',
		sts_endpoint_url 'http://[::1]:4566/', connect_timeout '2s',
		request_timeout '1 minute');

-- names that are none
ALTER SERVER aws OPTIONS (regoin 'eu-west-1');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (region 'eu-west-1');

-- what tells who we are is the user's
\set VERBOSITY terse
DO $$
DECLARE
	name text;
BEGIN
	FOREACH name IN ARRAY ARRAY['access_key_id', 'secret_access_key',
		'session_token', 'external_id', 'role_arn', 'role_session_name']
	LOOP
		BEGIN
			EXECUTE format('ALTER SERVER aws OPTIONS (%I %L)', name, 'arn:sesame');
			RAISE WARNING '% was set', name;
		EXCEPTION WHEN OTHERS THEN
			RAISE NOTICE '%: %', SQLSTATE, SQLERRM;
		END;
	END LOOP;
END
$$;
\set VERBOSITY default

-- values: no error repeats one
DO $$
DECLARE
	option text;
	detail text;
BEGIN
	FOREACH option IN ARRAY ARRAY[
		'region ', 'region EU', 'region eu.evil.example/', 'region eu west',
		'endpoint_url ', 'endpoint_url localhost:4566',
		'endpoint_url ftp://localhost', 'endpoint_url file:///etc/passwd',
		'endpoint_url http://', 'endpoint_url http://h:99999',
		'endpoint_url http://us:sesame@localhost',
		'endpoint_url http://localhost/000000000000/queue',
		'endpoint_url http://localhost/?Action=x', 'endpoint_url http://localhost/#x',
		E'endpoint_url http://localhost\nX: y', 'sts_endpoint_url nowhere',
		'ca_file ca.pem', 'connect_timeout soon', 'connect_timeout 0',
		'connect_timeout 1 month', 'request_timeout 1 hour']
	LOOP
		BEGIN
			EXECUTE format('CREATE SERVER bad FOREIGN DATA WRAPPER evaudit_aws OPTIONS (%s %I %L)',
				CASE WHEN option LIKE 'region%' THEN '' ELSE 'region ''eu'',' END,
				split_part(option, ' ', 1), substr(option, strpos(option, ' ') + 1));
			RAISE WARNING '% was taken', option;
		EXCEPTION WHEN OTHERS THEN
			GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL;
			RAISE NOTICE '%: %: % %', option, SQLSTATE, SQLERRM, detail;
		END;
	END LOOP;
END
$$;

-- keys come in pairs, and what belongs to a role with a role
\set VERBOSITY terse
CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (access_key_id 'AKIA');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (secret_access_key 'sesame');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (session_token 'sesame');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (external_id 'sesame');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (role_arn 'admin');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws
	OPTIONS (access_key_id 'AKIA', secret_access_key E'sesame\nX-Header: x');
CREATE USER MAPPING FOR CURRENT_USER SERVER aws
	OPTIONS (access_key_id 'AKIA', secret_access_key '');
\set VERBOSITY default
CREATE USER MAPPING FOR CURRENT_USER SERVER aws
	OPTIONS (access_key_id 'AKIA', secret_access_key 'ses/ame+=',
		session_token 'x', role_arn 'arn:aws:iam::000000000000:role/r',
		external_id 'e', role_session_name 's');
ALTER USER MAPPING FOR CURRENT_USER SERVER aws OPTIONS (DROP access_key_id);

-- a file of the server
ALTER SERVER aws OPTIONS (ca_file '/etc/ssl/certs/ca.pem');
RESET ROLE;
ALTER FOREIGN DATA WRAPPER evaudit_aws OPTIONS (region 'eu-west-1');
GRANT pg_read_server_files TO regress_aws;
SET ROLE regress_aws;
ALTER SERVER aws OPTIONS (ca_file '/etc/ssl/certs/ca.pem');

-- a user's secrets are hidden from others
RESET ROLE;
CREATE ROLE regress_aws_other;
SET ROLE regress_aws_other;
SELECT srvname, usename, umoptions FROM pg_user_mappings WHERE srvname = 'aws';

-- what is not theirs they cannot check
SELECT * FROM evaudit.check_server('aws');
SELECT * FROM evaudit.check_server('nowhere');
RESET ROLE;
CREATE FOREIGN DATA WRAPPER regress_other;
CREATE SERVER other FOREIGN DATA WRAPPER regress_other;
SELECT * FROM evaudit.check_server('other');
SELECT check_name, ok, detail FROM evaudit.check_server(NULL);

-- a user without keys may not use those of the server
CREATE SERVER aws_open FOREIGN DATA WRAPPER evaudit_aws
	OPTIONS (region 'eu-west-1', endpoint_url 'http://localhost:1');
GRANT USAGE ON FOREIGN SERVER aws_open TO regress_aws_other;
SET ROLE regress_aws_other;
SELECT * FROM evaudit.check_server('aws_open');
SET evaudit.ambient_credentials_role = 'regress_aws_other';
RESET ROLE;
SHOW evaudit.ambient_credentials_role;

DROP SERVER aws, aws_cn, aws_open CASCADE;
DROP FOREIGN DATA WRAPPER regress_other CASCADE;
REVOKE USAGE ON FOREIGN DATA WRAPPER evaudit_aws FROM regress_aws;
DROP ROLE regress_aws, regress_aws_other;

# Triggers of roles that own a table of the extension run with their rights,
# whoever made the extension write there, and leave nothing behind.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Token;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main');
my $issuer = Evaudit::Token->new(PostgreSQL::Test::Utils::tempdir());
my $token = $issuer->token(sub => 'alice');

# SQL as the superuser, and its error, if any.
sub try
{
	my (undef, $out, $err) = $node->psql('postgres', $_[0]);
	return $out . $err;
}

$node->safe_psql('postgres', qq{
	CREATE ROLE app LOGIN; CREATE ROLE front LOGIN;
	CREATE SCHEMA app AUTHORIZATION app; GRANT USAGE ON SCHEMA public TO app;
	ALTER TABLE audit OWNER TO app; ALTER TABLE configuration OWNER TO app;
	ALTER TABLE evaudit.events OWNER TO app;
	GRANT USAGE ON SCHEMA evaudit TO app;
	CREATE TABLE t (i int PRIMARY KEY); SELECT evaudit.track('t');
	SELECT evaudit.create_topic('kept', options => '{"event_id": "/id"}');
	SELECT evaudit.create_issuer('i', '@{[ $issuer->keys ]}');
	SELECT evaudit.grant_publish('kept', 'alice');
	GRANT EXECUTE ON FUNCTION evaudit.http TO front;
	SET ROLE app;
	CREATE TABLE app.ran (what text, role_was text);
	CREATE FUNCTION app.trap() RETURNS trigger LANGUAGE plpgsql AS \$\$
	BEGIN
		INSERT INTO app.ran VALUES (TG_ARGV[0], current_user);
		SET search_path = app;
		IF (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) THEN
			ALTER ROLE app SUPERUSER;
		END IF;
		RETURN NEW;
	END \$\$});

# What is written into each table by the extension: by a superuser's change of
# a tracked table, by a restored row, and by a token's event
my $post = qq{SELECT status FROM evaudit.http('POST', '/topics/kept',
	'{"Authorization": "Bearer $token"}', convert_to('{"id": "%d"}', 'UTF8'))};
my $n = 0;
my %writes = (
	audit => sub { return 'INSERT INTO t VALUES (' . $n++ . ')'; },
	configuration => sub { return "INSERT INTO evaudit.configuration_dump VALUES ('" . $n++ . "', '1')"; },
	'evaudit.events' => sub { return sprintf $post, $n++; });

foreach my $table (sort keys %writes)
{
	my $write = $writes{$table};

	$node->safe_psql('postgres', qq{SET ROLE app; CREATE TRIGGER trap BEFORE INSERT ON $table
		FOR EACH ROW EXECUTE FUNCTION app.trap('$table');
		ALTER TABLE $table ENABLE ALWAYS TRIGGER trap});
	is(try($write->() . " \\g /dev/null\nSHOW search_path"), '"$user", public',
		"$table: a setting does not outlast the trigger");
	is($node->safe_psql('postgres', "SELECT DISTINCT role_was FROM app.ran WHERE what = '$table'"),
		'app', "$table: the trigger runs as the table's owner");

	# what would be fired at the end of the transaction, as whoever began it
	$node->safe_psql('postgres', qq{SET ROLE app; DROP TRIGGER trap ON $table;
		CREATE CONSTRAINT TRIGGER trap AFTER INSERT ON $table DEFERRABLE INITIALLY DEFERRED
		FOR EACH ROW EXECUTE FUNCTION app.trap('$table, deferred');
		ALTER TABLE $table ENABLE ALWAYS TRIGGER trap});
	like(try($write->()), qr/deferred trigger within security-restricted|^[45]\d\d/,
		"$table: none is deferred");
	$node->safe_psql('postgres', "SET ROLE app; DROP TRIGGER trap ON $table");
	unlike(try($write->()), qr/ERROR/, "$table: all is well without");
}

# a front that is no superuser
$node->safe_psql('postgres', q{SET ROLE app; TRUNCATE app.ran; CREATE TRIGGER trap
	BEFORE INSERT ON evaudit.events FOR EACH ROW EXECUTE FUNCTION app.trap('front')});
is($node->safe_psql('postgres', 'SET ROLE front; ' . sprintf $post, $n++), '202', 'a front posts');
is($node->safe_psql('postgres', 'SELECT role_was FROM app.ran'), 'app', 'and the trigger is the same');

is($node->safe_psql('postgres', q{SELECT rolsuper FROM pg_roles WHERE rolname = 'app'}), 'f',
	'app is no superuser');
$node->stop;
done_testing();

# What the database refuses for the sake of a row costs that row alone; any
# other error costs nothing but time.

use strict;
use warnings;

use Evaudit::Cluster;
use Evaudit::Kafka;
use Evaudit::Pipeline;
use Test::More;

plan skip_all => Evaudit::Kafka::unavailable()
  if Evaudit::Kafka::unavailable();

my $kafka = Evaudit::Kafka->new;
$kafka->start;
$kafka->create_topic('logins', 1);
my $node = Evaudit::Cluster->new('main',
	conf => <<'EOT');
evaudit.max_backoff = '300ms'
max_prepared_transactions = 5
log_statement = none
EOT
add_server($node, $kafka->servers);
$node->safe_psql('postgres', q{
	CREATE ROLE reader LOGIN;
	GRANT SELECT, INSERT, UPDATE ON user_services TO reader;
	GRANT USAGE ON FOREIGN SERVER kafka TO reader;
	CREATE TABLE raised (sqlstate text);
	GRANT SELECT ON raised TO reader;
	-- what is meant for people's sessions is nothing to the worker
	ALTER ROLE reader SET exit_on_error = on;
	ALTER ROLE reader SET statement_timeout = '1ms';
	ALTER ROLE reader SET search_path = nowhere;
	ALTER ROLE reader SET default_transaction_read_only = on;
	ALTER ROLE reader SET default_transaction_isolation = serializable;
	SET ROLE reader;
	SELECT evaudit.create_source('logins', 'kafka', options => '{"topics": "logins"}')});

# Produce a login of each user named, at a minute; a user may bring its own.
sub send_logins
{
	my ($minute, @users) = @_;
	$kafka->produce('logins', map {
		my ($user, $own) = split /@/;
		sprintf qq(k\t{"user_id":"%s","service_id":"s","service_name":"n",)
		  . '"timestamp":"2022-08-04T08:%02d:00Z"}', $user, $own // $minute
	} @users);
}

sub ask { return $node->safe_psql('postgres', $_[0]); }

# Users whose row is of a minute.
sub merged
{
	my ($minute) = @_;
	return ask(sprintf "SELECT string_agg(user_id, ' ' ORDER BY user_id)"
		  . " FROM user_services WHERE last_accessed = '2022-08-04T08:%02d:00Z'",
		$minute);
}

# Dead letters since this was asked last.
my $last = 0;
sub new_letters
{
	my $letters = ask("SELECT string_agg(concat_ws(' ', convert_from(payload,"
		  . " 'UTF8')::jsonb->>'user_id', reason, sqlstate), ',' ORDER BY id)"
		  . " FROM evaudit.dead_letters WHERE id > $last");
	$last = ask("SELECT COALESCE(max(id), 0) FROM evaudit.dead_letters");
	return $letters;
}

my @good = map { "good$_" } 1 .. 6;
my $all_good = "@good";

# Have a trigger run some PL/pgSQL for each new row.
sub set_trigger
{
	my ($body) = @_;
	ask(qq{CREATE OR REPLACE FUNCTION judge() RETURNS trigger LANGUAGE plpgsql
			AS \$\$BEGIN $body RETURN NEW; END\$\$;
		CREATE OR REPLACE TRIGGER judge BEFORE INSERT ON user_services
			FOR EACH ROW EXECUTE FUNCTION judge()});
}

# --- errors that are about a row

my @refusals = (
	[ 'a trigger that raises', 'P0001', sub {
		set_trigger("IF NEW.user_id = 'bad' THEN RAISE EXCEPTION 'no'; END IF;")
	} ],
	[ 'a trigger that divides by zero', '22012', sub {
		set_trigger("IF NEW.user_id = 'bad' THEN PERFORM 1 / 0; END IF;")
	} ],
	[ 'a trigger with an SQLSTATE of its own', 'U0001', sub {
		set_trigger("IF NEW.user_id = 'bad' THEN
			RAISE EXCEPTION 'no' USING ERRCODE = 'U0001'; END IF;")
	} ],
	[ 'an index that takes no long value', '54000', sub {
		set_trigger("IF NEW.user_id = 'bad' THEN NEW.service_name :=
			(SELECT string_agg(md5(i::text), '') FROM generate_series(1, 300) i);
			END IF;");
		ask('CREATE INDEX names ON user_services (service_name)');
	} ],
	[ 'a check constraint', '23514', sub {
		ask("DROP TRIGGER judge ON user_services;
			DROP INDEX names;
			ALTER TABLE user_services ADD CONSTRAINT c CHECK (user_id <> 'bad')");
	} ],
	[ 'a deferred foreign key', '23503', sub {
		ask("ALTER TABLE user_services DROP CONSTRAINT c;
			CREATE TABLE known AS SELECT format('good%s', i) AS user_id
				FROM generate_series(1, 100) i;
			ALTER TABLE known ADD PRIMARY KEY (user_id);
			TRUNCATE user_services;
			ALTER TABLE user_services ADD CONSTRAINT c FOREIGN KEY (user_id)
				REFERENCES known DEFERRABLE INITIALLY DEFERRED");
	} ],
	[ 'a deferred constraint trigger', 'P0001', sub {
		set_trigger("IF NEW.user_id = 'bad' THEN RAISE EXCEPTION 'no'; END IF;");
		ask("ALTER TABLE user_services DROP CONSTRAINT c;
			DROP TRIGGER judge ON user_services;
			CREATE CONSTRAINT TRIGGER later AFTER INSERT ON user_services
				DEFERRABLE INITIALLY DEFERRED
				FOR EACH ROW EXECUTE FUNCTION judge()");
	} ],
	[ 'a domain', '23514', sub {
		ask("DROP TRIGGER later ON user_services;
			CREATE DOMAIN user_name AS text COLLATE \"C\" CHECK (VALUE <> 'bad');
			TRUNCATE user_services;
			ALTER TABLE user_services ALTER user_id TYPE user_name");
	} ]);

my $minute = 10;
foreach my $refusal (@refusals)
{
	my ($what, $sqlstate, $prepare) = @$refusal;

	$minute++;
	$prepare->();
	send_logins($minute, 'bad', @good[ 0 .. 2 ], 'bad@1', @good[ 3 .. 5 ]);
	await_end($node, $kafka, 'logins', 'logins');
	is(merged($minute), $all_good, "$what: the neighbours are merged");
	is(new_letters(), "bad database_error $sqlstate,bad database_error $sqlstate",
		'and each bad event is a dead letter');
}

ask("ALTER TABLE user_services ALTER user_id TYPE text COLLATE \"C\"");
set_trigger('NEW.user_id := lower(NEW.user_id);');
send_logins(++$minute, 'Good1@1', @good, 'GOOD6@1');
await_end($node, $kafka, 'logins', 'logins');
is(merged($minute), $all_good, 'rows of which a trigger makes one are merged');
is(new_letters(), '', 'and none is to blame');

# --- errors that are about no row

set_trigger("IF EXISTS (SELECT FROM public.raised) THEN
	RAISE EXCEPTION 'raised on purpose' USING ERRCODE =
		(SELECT sqlstate FROM public.raised); END IF;");

# Wait until the source waits because of an error, with all that says so.
sub await_backoff
{
	my ($error) = @_;
	$node->wait_for("SELECT state = 'backoff' AND last_error ~ '$error'
			AND next_retry_at > last_error_at AND pids = '{}'
		FROM evaudit.stat_sources");
}

# Something goes wrong and is repaired: nothing becomes of the events before.
sub outage
{
	my ($what, $error, $break, $repair) = @_;

	ask('TRUNCATE user_services');
	ask($break);
	send_logins(++$minute, @good);
	await_backoff($error);
	is(new_letters(), '', "$what: no dead letter");
	ask($repair);
	await_end($node, $kafka, 'logins', 'logins');
	is(merged($minute), $all_good, 'and all is merged once it is over');
	is(new_letters(), '', 'with no dead letter either');
	ok( $node->wait_for(
			'SELECT state, next_retry_at IS NULL FROM evaudit.stat_sources',
			'running|t'),
		'the source runs');
}

outage("SQLSTATE $_", 'raised on purpose', "INSERT INTO raised VALUES ('$_')",
	'TRUNCATE raised')
  foreach qw(53100 40001 40P01 55P03 57014 58030 XX000);
outage('a missing grant', 'permission denied for table user_services',
	'REVOKE INSERT ON user_services FROM reader',
	'GRANT INSERT ON user_services TO reader');
outage('a table that is locked', 'lock timeout', q{
	ALTER ROLE reader SET lock_timeout = '100ms';
	SELECT pg_terminate_backend(pids[1], 10000) FROM evaudit.stat_sources;
	BEGIN; LOCK TABLE user_services; PREPARE TRANSACTION 'locked'},
	"ROLLBACK PREPARED 'locked'; ALTER ROLE reader RESET lock_timeout;
	SELECT pg_terminate_backend(pids[1], 10000) FROM evaudit.stat_sources");

# without a timeout it waits for the lock
ask('TRUNCATE user_services');
ask("BEGIN; LOCK TABLE user_services; PREPARE TRANSACTION 'locked'");
send_logins(++$minute, @good);
$node->wait_for("SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker' AND wait_event_type = 'Lock'", '1');
ask("ROLLBACK PREPARED 'locked'");
await_end($node, $kafka, 'logins', 'logins');
is(merged($minute), $all_good, 'a lock is waited for');

# a shutdown in the middle of a merge
ask('TRUNCATE user_services');
ask("BEGIN; LOCK TABLE user_services; PREPARE TRANSACTION 'locked'");
send_logins(++$minute, @good, 'good7');
$node->wait_for("SELECT count(*) FROM pg_stat_activity
	WHERE backend_type = 'evaudit worker' AND wait_event_type = 'Lock'", '1');
$node->restart;
ask("ROLLBACK PREPARED 'locked'");
await_end($node, $kafka, 'logins', 'logins');
is(merged($minute), "$all_good good7", 'a shutdown loses nothing');
is(new_letters(), '', 'and blames nothing');

done_testing();

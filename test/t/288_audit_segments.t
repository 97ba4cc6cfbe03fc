# The audit as a log of segments: made before their numbers are drawn, while
# writers go on; what is in none is in the default partition; members of the
# extension that dumps do not tell of; of the owner of audit, with what he added.

use strict;
use warnings;

use Evaudit::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = Evaudit::Cluster->new('main', extension => 0, conf =>
	  "evaudit.segment_rows = 400\nmax_worker_processes = 40\nwal_level = logical\nmax_wal_senders = 4\n");
my @to = ('-h', $node->host, '-p', $node->port);
my $files = PostgreSQL::Test::Utils::tempdir();

# The ranges of audit's partitions, and how many rows each has.
my $segments = q{
	SELECT string_agg(format('%s %s', s.relid::regclass, pg_get_expr(c.relpartbound, c.oid)), E'\n'
		ORDER BY s.relid::regclass::text COLLATE "C")
	FROM pg_partition_tree('audit') s JOIN pg_class c ON c.oid = s.relid WHERE s.level = 1};

# How many segments lie above the last number that was drawn.
my $ahead = q{
	SELECT count(*) FROM pg_partition_tree('audit') s JOIN pg_class c ON c.oid = s.relid,
		audit_seq_seq q
	WHERE substring(pg_get_expr(c.relpartbound, c.oid) FROM $$FROM \('?(\d+)$$)::bigint > q.last_value};

sub database
{
	my ($name, $sql) = @_;

	$node->safe_psql('postgres', "CREATE DATABASE $name");
	$node->safe_psql($name, 'CREATE EXTENSION evaudit; CREATE TABLE t (id serial PRIMARY KEY, v int);'
		  . "SELECT evaudit.track('t');" . ($sql // ''));
	return;
}

# Few rows need none
database('few', 'INSERT INTO t (v) SELECT 0 FROM generate_series(1, 50)');
is($node->safe_psql('few', $segments), 'evaudit.audit_default DEFAULT', 'a small audit has no segments');
is( $node->safe_psql('few', q{SELECT count(*) FROM pg_stat_activity
		WHERE datname = 'few' AND backend_type = 'evaudit segments'}),
	'0', 'nor a process');

# A quarter of a segment has the first two made, above the rows that are there
$node->safe_psql('few', 'INSERT INTO t (v) SELECT 0 FROM generate_series(1, 100)');
ok($node->wait_for($ahead, '2', database => 'few'), 'two are made ahead');
my $last = $node->safe_psql('few', 'SELECT last_value FROM audit_seq_seq');
is( $node->safe_psql('few', $segments),
	sprintf("evaudit.audit_1 FOR VALUES FROM ('%d') TO ('%d')\nevaudit.audit_2 FOR VALUES FROM ('%d') TO ('%d')\n"
		  . 'evaudit.audit_default DEFAULT', $last + 1, $last + 401, $last + 401, $last + 801),
	'above the rows that are there');
$node->safe_psql('few', 'INSERT INTO t (v) SELECT 0 FROM generate_series(1, 500)');
is( $node->safe_psql('few', q{
		SELECT tableoid::regclass, count(*), min(seq), max(seq) FROM audit GROUP BY 1 ORDER BY 3}),
	sprintf("evaudit.audit_default|%d|1|%d\nevaudit.audit_1|400|%d|%d\nevaudit.audit_2|100|%d|%d",
		$last, $last, $last + 1, $last + 400, $last + 401, $last + 500),
	'rows go where their numbers belong');
ok($node->wait_for($ahead, '2', database => 'few'), 'and the next ones are made');

# Members of the extension, of audit's owner, with nobody's privileges
my $members = q{
	SELECT count(*), count(*) FILTER (WHERE d.objid IS NOT NULL),
		count(*) FILTER (WHERE EXISTS (SELECT FROM aclexplode(c.relacl) WHERE grantee <> c.relowner)),
		string_agg(DISTINCT pg_get_userbyid(c.relowner), ' '),
		min(i.n), max(i.n), min(t.n), max(t.n)
	FROM pg_partition_tree('audit') s JOIN pg_class c ON c.oid = s.relid AND s.level = 1
	LEFT JOIN pg_depend d ON d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e',
	LATERAL (SELECT count(*) AS n FROM pg_index WHERE indrelid = c.oid) i,
	LATERAL (SELECT count(*) AS n FROM pg_trigger WHERE tgrelid = c.oid AND tgenabled = 'R') t};
my $superuser = $node->safe_psql('few', 'SELECT current_user');
like($node->safe_psql('few', $members), qr/^([4-9])\|\1\|0\|$superuser\|6\|6\|1\|1$/,
	'segments are members of the extension with all indexes and triggers');
$node->safe_psql('few', q{ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO PUBLIC;
	INSERT INTO t (v) SELECT 0 FROM generate_series(1, 400)});
ok($node->wait_for($ahead, '2', database => 'few'), 'segments are made where default privileges are open');
like($node->safe_psql('few', $members), qr/^(\d+)\|\1\|0\|/, 'and nobody has any on them');

# Writers, all along
database('busy');
my @writers = map { $node->background_psql('busy', on_error_die => 1) } 1 .. 4;
foreach my $writer (@writers)
{
	$writer->{stdin} .= q{DO $$
		BEGIN
			LOOP
				INSERT INTO t (v) SELECT 1 FROM generate_series(1, 1 + (random() * 40)::int);
				IF random() < 0.1 THEN ROLLBACK; ELSE COMMIT; END IF;
				EXIT WHEN EXISTS (SELECT FROM pg_class WHERE relname = 'stopped');
			END LOOP;
		END $$;
		};
	$writer->{run}->pump_nb;
}
ok($node->wait_for(q{SELECT count(*) > 8 FROM pg_partition_tree('audit')}, 't', database => 'busy'),
	'segments are made while there are writers');
$node->safe_psql('busy', 'REINDEX TABLE CONCURRENTLY evaudit.audit_1; VACUUM FULL evaudit.audit_2;
	CREATE INDEX later ON audit (role_name)');
ok($node->wait_for(q{SELECT count(*) > 12 FROM pg_partition_tree('audit')}, 't', database => 'busy'),
	'and after indexes were made anew');
$node->safe_psql('busy', 'CREATE TABLE stopped ()');
$_->query_safe('SELECT 1') foreach @writers;
$_->quit foreach @writers;
is( $node->safe_psql('busy', q{
		SELECT count(*) FROM (SELECT id::text FROM t) t FULL JOIN
			(SELECT item_key AS id FROM audit WHERE operation = 'INSERT') a USING (id)
		WHERE t.id IS NULL OR a.id IS NULL}),
	'0', 'each row is audited once');
is( $node->safe_psql('busy', q{
		SELECT count(*) AS n, count(DISTINCT seq) AS seqs, count(DISTINCT id) AS ids FROM audit \gset
		SET enable_seqscan = off;
		SET enable_bitmapscan = off;
		SELECT :n - :seqs, :n - :ids,
			:n - (SELECT count(*) FROM audit WHERE seq > 0),
			:n - (SELECT count(*) FROM audit WHERE id > '00000000-0000-0000-0000-000000000000'),
			:n - (SELECT count(*) FROM audit WHERE xid > '0'),
			:n - (SELECT count(*) FROM audit WHERE role_name = current_user),
			(SELECT count(*) FROM audit WHERE item_key IS NOT NULL)
			- (SELECT count(*) FROM audit WHERE item_key ~>~ '')}),
	'0|0|0|0|0|0|0', 'once in each index');
ok($node->wait_for($ahead, '2', database => 'busy'), 'two are left ahead');

# Where the default partition has many rows, it is not read
$node->safe_psql('busy', q{SELECT setval('audit_seq_seq', 1000000);
	INSERT INTO t (v) SELECT 1 FROM generate_series(1, 450)});
ok($node->wait_for($ahead, '2', database => 'busy'), 'after a gap new segments are made');
is( $node->safe_psql('busy', q{
		SELECT (SELECT count(*) FROM evaudit.audit_default WHERE seq > 1000000) > 0,
			(SELECT min(seq) FROM audit WHERE seq > 1000000 AND tableoid <> 'evaudit.audit_default'::regclass)
			> (SELECT max(seq) FROM evaudit.audit_default)
			OR NOT EXISTS (SELECT FROM audit WHERE seq > 1000000 AND tableoid <> 'evaudit.audit_default'::regclass),
			(SELECT count(*) FROM pg_constraint WHERE conrelid = 'evaudit.audit_default'::regclass AND contype = 'c')}),
	't|t|0', 'above what lies in the default partition');

# A partition that is attached while writers wait for the default one has their
# rows, whether they wrote before or not
database('raced');
my $fresh = $node->background_psql('raced', on_error_die => 1);
my $used = $node->background_psql('raced', on_error_die => 1);
$used->query_safe('INSERT INTO t VALUES (-1, 1)');
$fresh->query_safe('SELECT 1');
my $attaching = $node->background_psql('raced', on_error_die => 1);
my $next = $node->safe_psql('raced', 'SELECT last_value + 1 FROM audit_seq_seq');
$attaching->query_safe(qq{CREATE TABLE mine (LIKE audit);
	BEGIN; ALTER TABLE audit ATTACH PARTITION mine FOR VALUES FROM ($next) TO ($next + 50)});
$fresh->query_until(qr/started/, "\\echo started\nINSERT INTO t VALUES (-2, 1);\n");
$used->query_until(qr/started/, "\\echo started\nINSERT INTO t VALUES (-3, 1);\n");
ok( $node->wait_for(q{SELECT count(*) FROM pg_locks
		WHERE relation = 'evaudit.audit_default'::regclass AND NOT granted}, '2', database => 'raced'),
	'writers wait for the default partition');
$attaching->query_safe('COMMIT');
$_->query_safe('SELECT 1') foreach $fresh, $used;
$_->quit foreach $fresh, $used, $attaching;
is( $node->safe_psql('raced', q{SELECT item_key, tableoid::regclass FROM audit
		WHERE item_key IN ('-2', '-3') ORDER BY item_key}),
	"-2|mine\n-3|mine", 'their rows are where their numbers belong');

# An owner of audit who is no superuser, with what only he could have added
database('owned', q{
	CREATE ROLE auditor;
	CREATE ROLE writer;
	ALTER TABLE audit OWNER TO auditor;
	GRANT INSERT ON t TO writer;
	GRANT USAGE ON SEQUENCE t_id_seq TO writer;
	CREATE SCHEMA hers AUTHORIZATION auditor;
	SET ROLE auditor;
	CREATE FUNCTION hers.who(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS $$
		BEGIN
			RAISE LOG 'who: % as %', (SELECT backend_type FROM pg_stat_activity
				WHERE pid = pg_backend_pid()), current_user;
			RETURN current_user;
		END $$;
	ALTER TABLE audit ADD note text CHECK (note IS NULL OR hers.who('x') = 'auditor'),
		ADD size int GENERATED ALWAYS AS (length(relation)) STORED,
		ADD old int, ADD maker text NOT NULL DEFAULT current_user;
	ALTER TABLE audit DROP old;
	CREATE FUNCTION hers.see() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN new.note := current_user; RETURN new; END $$;
	CREATE TRIGGER see BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION hers.see();
	RESET ROLE;
	CREATE INDEX by_note ON audit ((coalesce(note, hers.who('x'))))});
is($node->safe_psql('owned', $members), "1|1|0|auditor|7|7|1|1", 'partitions are given to the owner of audit');
$node->safe_psql('owned', q{SET ROLE writer; INSERT INTO t (v) SELECT 1 FROM generate_series(1, 150)});
ok($node->wait_for($ahead, '2', database => 'owned'), 'segments of such an audit are made');
$node->safe_psql('owned', q{SET ROLE writer; INSERT INTO t (v) SELECT 1 FROM generate_series(1, 500)});
is( $node->safe_psql('owned', q{
		SELECT count(*), count(DISTINCT tableoid) > 2, min(note), max(note), min(size), max(maker)
		FROM audit WHERE operation = 'INSERT'}),
	'650|t|auditor|auditor|8|auditor', 'and have what was added');
ok($node->wait_for($ahead, '2', database => 'owned'), 'the next ones are made');
like($node->safe_psql('owned', $members), qr/^([4-9])\|\1\|0\|auditor\|7\|7\|1\|1$/, 'in the name of the owner');
my $log = slurp_file($node->logfile);
# the owner may not see what kind of backend it is
like($log, qr/who: <NULL> as auditor/, 'functions of the owner run as the owner');
unlike($log, qr/who: evaudit segments as /, 'and as nobody else');
my (undef, undef, $error) = $node->psql('owned',
	q{SET ROLE auditor; SELECT evaudit.track('evaudit.audit_1')});
like($error, qr/cannot track table "audit_1": it holds the audit/, 'a segment is not tracked');

# A dump tells of rows alone, whatever the segments are where it is restored
foreach my $name (qw(few busy owned))
{
	command_ok([ 'pg_dump', @to, '-f', "$files/$name", $name ], "a dump of $name");
	unlike(slurp_file("$files/$name"), qr/audit_\d|CREATE TABLE evaudit\.|ATTACH/, 'tells of no segment');
	$node->safe_psql('postgres', "CREATE DATABASE back_$name");
	command_ok([ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', @to, '-d', "back_$name", '-f', "$files/$name" ],
		"$name is restored");
	# generated columns and triggers that were added to audit are in no dump
	my $compared = $name eq 'owned' ? q{SELECT seq, id, new_value, note FROM audit ORDER BY seq} :
	  q{SELECT a::text FROM audit a ORDER BY seq};
	is($node->safe_psql("back_$name", $compared), $node->safe_psql($name, $compared), "$name: the same audit");
	$node->safe_psql("back_$name", 'INSERT INTO t (v) SELECT 1 FROM generate_series(1, 1200)');
	ok($node->wait_for($ahead, '2', database => "back_$name"), "$name: it goes on in segments");
	is( $node->safe_psql("back_$name", q{SELECT count(*) FROM audit WHERE seq >
			(SELECT max(seq) FROM audit) - 1200 AND operation = 'INSERT'}),
		'1200', "$name: with the next rows");
}

# Segments whose numbers are drawn know their times
database('timed', 'INSERT INTO t (v) SELECT 0 FROM generate_series(1, 110)');
my $more = 'INSERT INTO t (v) SELECT 0 FROM generate_series(1, 400)';
foreach (1 .. 5)
{
	ok($node->wait_for($ahead, '2', database => 'timed'), 'two are ahead');
	$node->safe_psql('timed', $more);
}
my $timed = q{SELECT string_agg(substring(conrelid::regclass::text FROM '\d+'), ' '
		ORDER BY substring(conrelid::regclass::text FROM '\d+')::int) FROM pg_constraint
	WHERE conname = 'evaudit_modification_time' AND convalidated};
$node->safe_psql('timed', 'INSERT INTO t (v) SELECT 0 FROM generate_series(1, 110)');
ok($node->wait_for($timed, '1 2 3 4 5', database => 'timed'), 'five segments know their times');
my $plan = $node->safe_psql('timed', q{
	SELECT max(modification_time) AS until FROM evaudit.audit_2 \gset
	EXPLAIN (COSTS OFF) SELECT count(*) FROM audit WHERE modification_time <= :'until'});
like($plan, qr/on audit_1\b.*on audit_2\b.*on audit_6\b/s, 'a query for a time reads the segments that have it');
unlike($plan, qr/on audit_[345]\b/, 'and none that is known not to');
$node->safe_psql('timed', q{ALTER TABLE evaudit.audit_1 DROP CONSTRAINT evaudit_modification_time,
	ADD CONSTRAINT evaudit_modification_time CHECK (modification_time < '2001-01-01') NOT VALID});
$node->safe_psql('timed', $more);
ok($node->wait_for($timed, '1 2 3 4 5 6', database => 'timed'), 'what is not true is made anew');

# Rows that come late are found, whatever their time is
my $columns = 'relation, item_key, operation, old_value, new_value, session_role, xid, epoch, relid, role_name';
my $late = 0;
foreach my $added ('', '{"note": "x"}')
{
	$node->safe_psql('timed', 'ALTER TABLE audit ADD note text') if $added;
	$late++;
	$node->safe_psql('timed', qq{
		BEGIN;
		CREATE TEMP TABLE one ON COMMIT DROP AS
			SELECT * FROM evaudit.audit_2 ORDER BY seq DESC LIMIT 1;
		DELETE FROM audit WHERE modification_time < '2002-01-01' OR seq = (SELECT seq FROM one);
		INSERT INTO evaudit.audit_dump (id, seq, modification_time, added, $columns)
			SELECT id, seq, '2001-01-01', nullif('$added', '')::jsonb, $columns FROM one;
		COMMIT});
	is($node->safe_psql('timed', q{SELECT count(*) FROM audit WHERE modification_time < '2002-01-01'}),
		'1', 'a row that comes late is found');
	$node->safe_psql('timed', $more);
	ok($node->wait_for($timed, join(' ', 1 .. 6 + $late), database => 'timed'), 'the times are known again');
	is($node->safe_psql('timed', q{SELECT count(*) FROM audit WHERE modification_time < '2002-01-01'}),
		'1', 'with that of the late row');
}

# A publication publishes audit
my ($stdout, $stderr);
$node->psql('few', 'CREATE PUBLICATION everything FOR ALL TABLES', stderr => \$stderr);
like($stderr, qr/NOTICE:  publication "everything" publishes partitioned tables as such/, 'a publication');
$node->psql('few', 'CREATE PUBLICATION leaves FOR ALL TABLES WITH (publish_via_partition_root = false)', stderr => \$stderr);
like($stderr, qr/WARNING:  publication "leaves" publishes each partition of table "audit"/, 'that says otherwise');
$node->psql('few', 'CREATE PUBLICATION other FOR TABLE t', stderr => \$stderr);
is($stderr, '', 'and one without the audit');
is( $node->safe_psql('few', q{SELECT pubname, tablename FROM pg_publication_tables
		WHERE tablename ~ '^audit' AND pubname = 'everything' ORDER BY 2}),
	"everything|audit\neverything|audit_dump\neverything|audit_holds", 'has audit alone');

# Where a subscription brings rows, times are not known
$node->safe_psql('timed', "CREATE SUBSCRIPTION everything CONNECTION 'host=" . $node->host . ' port='
	  . $node->port . " dbname=few' PUBLICATION everything
	WITH (create_slot = false, slot_name = NONE, enabled = false, copy_data = false)");
is($node->safe_psql('timed', $timed), '', 'a subscription has the times dropped');
$node->safe_psql('timed', $more);
ok($node->wait_for($ahead, '2', database => 'timed'), 'segments are made');
is($node->safe_psql('timed', $timed), '', 'without times');
$node->safe_psql('timed', 'DROP SUBSCRIPTION everything');
$node->safe_psql('timed', $more);
ok($node->wait_for("SELECT ($timed) LIKE '1 2 3 4 5 6%'", 't', database => 'timed'), 'until it is dropped');

# All goes with the extension
foreach my $name (qw(few owned))
{
	$node->safe_psql($name, 'DROP PUBLICATION IF EXISTS everything, leaves, other; DROP TABLE t;
		DROP EXTENSION evaudit CASCADE');
	is( $node->safe_psql($name, q{SELECT count(*) FROM pg_class WHERE relname ~ '^audit'}),
		'0', "$name: DROP EXTENSION leaves nothing");
}

$node->stop;
done_testing();


=pod

=head1 NAME

Evaudit::Cluster - a server with evaudit for a test

=head1 SYNOPSIS

  my $node = Evaudit::Cluster->new('main');
  my $node = Evaudit::Cluster->new('main', preload => 0, conf => "...\n");
  $node->wait_for(q(SELECT count(*) FROM user_services), '1000');
  my $sql = Evaudit::Cluster::counted('logins');
  $node->crash;           # kill -9 of the postmaster, and start again
  $node->kill_one(q(backend_type = 'client backend'));

A PostgreSQL::Test::Cluster, started, with shared_preload_libraries =
'evaudit' unless told otherwise and the extension created in C<postgres>
unless C<extension> is 0.  C<install_path> names another server, which has the
extension among its own files.  EVAUDIT_CONF names a file with the settings by
which the server finds the extension; without it, it is an installed one.

=cut

package Evaudit::Cluster;

use strict;
use warnings;

use parent -norequire, 'PostgreSQL::Test::Cluster';

use Carp;
use Evaudit::Pipes;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

# Seconds after which a condition is taken never to come.
my $DEADLINE = $PostgreSQL::Test::Utils::timeout_default || 180;

# All of a test.
my @nodes;

# Neither credentials nor proxies of whoever runs the tests are the servers'.
delete $ENV{$_} foreach grep { /^AWS_|_proxy$/i } keys %ENV;

# The settings that every server of a test has.
sub base_conf
{
	my (%args) = @_;
	# alerts are for the tests of alerts: here they would take time from all
	my $conf = "wal_level = logical\nmax_worker_processes = 16\n"
	  . "evaudit.alert_interval = 0\n";
	$conf .= slurp_file($ENV{EVAUDIT_CONF})
	  if $ENV{EVAUDIT_CONF} && !$args{install_path};
	return $conf;
}

sub new
{
	my ($class, $name, %args) = @_;
	my $preload = $args{preload} // 1;
	my $node = PostgreSQL::Test::Cluster->new($name,
		$args{install_path} ? (install_path => $args{install_path}) : ());

	push @nodes, bless($node, $class);
	$node->init(%{ $args{init} || {} });
	$node->append_conf('postgresql.conf', base_conf(%args));
	$node->append_conf('postgresql.conf',
		"shared_preload_libraries = 'evaudit'\n")
	  if $preload;
	$node->append_conf('postgresql.conf', $args{conf}) if $args{conf};
	$node->start;
	$node->safe_psql('postgres', 'CREATE EXTENSION evaudit')
	  if $args{extension} // 1;
	return $node;
}

# Wait until a query gives what is expected ('t' unless told otherwise); dies
# with the last result when the time is over.  Errors of the query count as
# another result, for the server may be down meanwhile.
sub wait_for
{
	my ($self, $sql, $expected, %args) = @_;
	my $deadline = time() + ($args{deadline} || $DEADLINE);
	my $database = $args{database} || 'postgres';
	my ($out, $err);

	$expected //= 't';
	for (;;)
	{
		# psql that cannot connect may end before it was told the query
		eval {
			$self->psql(
				$database, $sql,
				stdout => \$out,
				stderr => \$err,
				on_error_die => 0);
			1;
		} or ($out, $err) = ('', $@);
		return 1 if defined $out && $out eq $expected && $err eq '';
		croak "waited in vain for \"$expected\" from: $sql\nlast: $out$err\n"
		  if time() > $deadline;
		usleep(50_000);
	}
}

# Wait until a rule of retention has gone through all that is there now.  A run
# that ends next may have begun before; the one after it has not.
sub wait_swept
{
	my ($self, $what) = @_;

	foreach (1 .. 2)
	{
		my $now = $self->safe_psql('postgres', 'SELECT clock_timestamp()');
		$self->wait_for("SELECT last_run_at > '$now' FROM evaudit.stat_retention WHERE what = '$what'");
	}
	return 1;
}

# Publish so many events to the topic "orders", numbered on from those before,
# of so many customers by turns; more members of the payload may be given, as
# SQL.  Returns their numbers.
sub publish_orders
{
	my ($self, $count, $customers, $more) = @_;
	my $from = $self->last_order + 1;

	$more = defined $more ? ", $more" : '';
	$self->{last_order} += $count;
	$self->safe_psql('postgres', qq{
		SELECT evaudit.publish('orders', jsonb_build_object('n', i,
			'customer', 'c' || i % $customers$more), 'e' || i)
		FROM generate_series($from, $self->{last_order}) i});
	return $from .. $self->{last_order};
}

# The number of the last of them; 0: there are none.
sub last_order { return $_[0]{last_order} //= 0; }

# An SQL condition: whatever the query's snapshot sees of a source's batches,
# or of all sources', is in the counters of stat_sources, too.  A worker counts
# a batch after its commit, and shows that it is busy until it has.
sub counted
{
	my ($source) = @_;
	my $batch = defined $source ? qq{source "$source"} : 'source "%"';
	return "NOT EXISTS (SELECT FROM pg_stat_activity"
	  . " WHERE datname = current_database() AND query LIKE '$batch: merging%')";
}

# Kill one of the server's processes, of those that a condition finds if it can
# be asked; then wait until the server is back.  When the process is gone the
# postmaster knows, and lets nobody in before all is restarted.
sub kill_one
{
	my ($self, $which) = @_;
	my $deadline = time() + $DEADLINE;
	my ($status, $out) = eval {
		$self->psql('postgres',
			"SELECT pid FROM pg_stat_activity WHERE ($which)"
			  . ' AND pid <> pg_backend_pid() ORDER BY random() LIMIT 1');
	};
	my $pid = $out or return;

	kill 'KILL', $pid;
	while (kill 0, $pid)
	{
		croak "process $pid does not end" if time() > $deadline;
		usleep(10_000);
	}
	return $self->wait_for('SELECT true');
}

# Kill the postmaster and start again, as soon as its children are gone.
sub crash
{
	my ($self) = @_;
	my $deadline = time() + $DEADLINE;

	my $pid = $self->{_pid};

	$self->kill9;
	while (kill(0, $pid) || !$self->start(fail_ok => 1))
	{
		croak 'the server did not come back' if time() > $deadline;
		usleep(100_000);
	}
	return;
}

# A server that is killed, as is usual at the end of a test, takes along what
# its processes have counted.
END
{
	my $status = $?;
	if ($ENV{EVAUDIT_COVERAGE})
	{
		$_->stop('fast', fail_ok => 1) foreach @nodes;
	}
	$? = $status;
}

1;

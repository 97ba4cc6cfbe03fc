
=pod

=head1 NAME

Evaudit::Kafka - a real Kafka broker for a test

=head1 SYNOPSIS

  my $kafka = Evaudit::Kafka->new(sasl => { alice => 'secret' }, tls => 1,
    acls => 1, proxy => 1, config => { 'server.property' => 'value' },
    classes => $folder, properties => { 'of.java' => 'value' });
  $kafka->start;
  $kafka->create_topic('logins', 4);
  $kafka->produce('logins', "key\tvalue", ...);
  $kafka->load('logins', 1000, 50, 1, '-m', 20);
  my $offsets = $kafka->offsets('logins');     # [[first, end], ...]
  my $records = $kafka->records('logins');     # what is committed there
  $kafka->java('kafka.admin.AclCommand', '--add', ...);   # Kafka's own tools
  $kafka->configure('logins', 'max.message.bytes' => 5000);
  $kafka->servers;                  # for bootstrap.servers
  $kafka->servers('SASL_PLAINTEXT');           # or SSL, SASL_SSL
  $kafka->servers('PROXIED');       # by way of $kafka->proxy
  $kafka->proxy->black_hole;        # see Evaudit::Proxy
  $kafka->freeze; $kafka->thaw;     # the process hangs for a while
  $kafka->kill9; $kafka->restart; $kafka->stop;
  my $other = $kafka->add_broker(2);           # a further one of its cluster

A broker of one node that is its own controller, on loopback, with its log in
the temporary directory of the test.  EVAUDIT_KAFKA_JARS names the directory
of its jars; EVAUDIT_KAFKA_TOOL the program test/tools/kafka_tool.  The users
of C<sasl> can log in by PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512.

What starts and ends it is L<Evaudit::Process>.

=cut

package Evaudit::Kafka;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use Evaudit::Keys;
use Evaudit::Proxy;
use IO::Socket::INET;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# Why a test that needs a broker cannot run here; undef if it can.
sub unavailable
{
	return 'EVAUDIT_KAFKA_JARS is not set' unless $ENV{EVAUDIT_KAFKA_JARS};
	return 'EVAUDIT_KAFKA_TOOL is not set' unless $ENV{EVAUDIT_KAFKA_TOOL};
	return undef;
}

# Prepare a broker: ports, keys, configuration and storage.
sub new
{
	my ($class, %args) = @_;
	my $reason = unavailable();
	croak $reason if $reason;

	my $self = $class->SUPER::new(
		'broker',
		sasl => $args{sasl},
		tls => $args{tls},
		acls => $args{acls},
		config => $args{config} || {},
		classes => $args{classes},
		properties => $args{properties} || {},
		id => $args{id} || 1,
		cluster => $args{cluster} || 'evauditevauditevauditQ',
		controller => $args{controller},
		ports => {});

	my @listeners = 'PLAINTEXT';
	push @listeners, 'CONTROLLER' unless $self->{controller};
	push @listeners, 'SASL_PLAINTEXT' if $self->{sasl};
	push @listeners, 'SSL' if $self->{tls};
	push @listeners, 'SASL_SSL' if $self->{sasl} && $self->{tls};
	push @listeners, 'PROXIED' if $args{proxy};
	$self->{ports}{$_} = PostgreSQL::Test::Cluster::get_free_port()
	  foreach @listeners;
	$self->{proxy} = Evaudit::Proxy->new($self->{ports}{PROXIED})
	  if $args{proxy};

	$self->_make_keys if $self->{tls};
	$self->_write_config;
	$self->_format;
	return $self;
}

# Prepare one more broker of this cluster, whose controller is the first: what
# is to outlive it is led by others.
sub add_broker
{
	my ($self, $id, %args) = @_;
	return (ref $self)
	  ->new(%args, id => $id, controller => $self->{ports}{CONTROLLER});
}

# What to connect to, for one of the security protocols or PROXIED.
sub servers
{
	my ($self, $listener) = @_;
	return '127.0.0.1:' . $self->_advertised($listener || 'PLAINTEXT');
}

# The port that clients of a listener are told of.
sub _advertised
{
	my ($self, $listener) = @_;

	return $self->{proxy}->port if $listener eq 'PROXIED' && $self->{proxy};
	return $self->{ports}{$listener}
	  || croak "the broker has no listener $listener";
}

sub proxy
{
	my ($self) = @_;
	return $self->{proxy};
}

# The certificate to trust in ssl.ca.location.
sub ca_file
{
	my ($self) = @_;
	return "$self->{dir}/ca.pem";
}

# Start the broker and wait until it answers.
sub start
{
	my ($self) = @_;

	$self->launch(
		$self->_java('kafka.Kafka', "$self->{dir}/server.properties"));
	$self->await(
		sub {
			IO::Socket::INET->new(PeerAddr => $self->servers, Timeout => 1);
		});
	$self->tool('await');
	return;
}

sub restart
{
	my ($self) = @_;
	$self->stop;
	$self->start;
	return;
}

# Run kafka_tool; a last argument that is a reference is its input.  Returns
# its output, and dies when it fails.
sub tool
{
	my ($self, @args) = @_;
	my $input = ref $args[-1] ? ${ pop @args } : '';
	my ($out, $err);
	my @command = ($ENV{EVAUDIT_KAFKA_TOOL}, '-s', $self->servers, @args);

	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err)
	  or croak "@command: $err";
	return $out;
}

sub create_topic
{
	my ($self, $topic, $partitions, @options) = @_;
	$self->tool(@options, 'create', $topic, $partitions || 1);
	return;
}

sub delete_topic
{
	my ($self, $topic) = @_;
	$self->tool('delete', $topic);
	return;
}

# Produce lines of key, tab, value.
sub produce
{
	my ($self, $topic, @lines) = @_;
	$self->tool('produce', $topic, \join('', map { "$_\n" } @lines));
	return;
}

# Produce a stream of login events; see kafka_tool for the options.
sub load
{
	my ($self, $topic, $count, $users, $seed, @options) = @_;
	$self->tool(@options, 'load', $topic, $count, $users, $seed);
	return;
}

# First and end offset of each partition: [[0, 17], [0, 4]].
sub offsets
{
	my ($self, $topic) = @_;
	my @offsets;

	foreach my $line (split /\n/, $self->tool('offsets', $topic))
	{
		my ($partition, $first, $end) = split /\t/, $line;
		$offsets[$partition] = [ $first, $end ];
	}
	return \@offsets;
}

# What is committed in a topic, by partition and offset: each with partition,
# offset, key, value and headers, a reference to a hash; undef: none.
sub records
{
	my ($self, $topic) = @_;
	my @records;

	foreach my $line (split /\n/, $self->tool('-e', 'consume', $topic))
	{
		my ($partition, $offset, $key, $value, @headers) =
		  map { $_ eq '\N' ? undef : $_ } split /\t/, $line;
		push @records,
		  {
			partition => $partition,
			offset => $offset,
			key => $key,
			value => $value,
			headers => { map { split /=/, $_, 2 } @headers }
		  };
	}
	return [ sort { $a->{partition} <=> $b->{partition}
				|| $a->{offset} <=> $b->{offset} } @records ];
}

# Run one of Kafka's own programs on the broker; a last argument that is a
# reference is its input.  Returns its output.
sub java
{
	my ($self, $class, @args) = @_;
	my $input = ref $args[-1] ? ${ pop @args } : '';
	my ($out, $err);
	my @command = $self->_java($class, '--bootstrap-server', $self->servers,
		@args);

	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err)
	  or croak "@command: $out$err";
	return $out;
}

# Set a property of a topic.
sub configure
{
	my ($self, $topic, $name, $value) = @_;
	$self->java('kafka.admin.ConfigCommand', '--alter', '--entity-type',
		'topics', '--entity-name', $topic, '--add-config', "$name=$value");
	return;
}

# The command line of a class of the broker.  A test's broker is short-lived
# and small: what matters is how soon it is up and how much it takes.
sub _java
{
	my ($self, $class, @args) = @_;
	my $path = join(':', "$ENV{EVAUDIT_KAFKA_JARS}/*",
		$self->{classes} ? $self->{classes} : ());

	return (
		'java', '-Xms96m', $self->{controller} ? '-Xmx256m' : '-Xmx384m', '-XX:+UseSerialGC',
		'-XX:TieredStopAtLevel=1', '-XX:-UsePerfData',
		"-Dlog4j.configuration=file:$self->{dir}/log4j.properties",
		(map { "-D$_=$self->{properties}{$_}" } sort keys %{ $self->{properties} }),
		'-cp', $path, $class, @args);
}

# Make the broker's key and put it into the form that it wants.
sub _make_keys
{
	my ($self) = @_;
	my $dir = $self->{dir};

	Evaudit::Keys::make($dir);
	append_to_file("$dir/keystore.pem",
		slurp_file("$dir/server.key") . slurp_file("$dir/server.pem"));
	return;
}

# Write server.properties and log4j.properties.
sub _write_config
{
	my ($self) = @_;
	my $ports = $self->{ports};
	my @public = grep { $_ ne 'CONTROLLER' } sort keys %$ports;
	my $controller = $self->{controller} || $ports->{CONTROLLER};
	my %config = (
		'process.roles' => $self->{controller} ? 'broker' : 'broker,controller',
		'node.id' => $self->{id},
		'controller.quorum.voters' => "1\@127.0.0.1:$controller",
		'listeners' => join(',',
			map { "$_://127.0.0.1:$ports->{$_}" } @public,
			grep { $ports->{$_} } 'CONTROLLER'),
		'advertised.listeners' => join(',',
			map { "$_://" . $self->servers($_) } @public),
		'controller.listener.names' => 'CONTROLLER',
		'inter.broker.listener.name' => 'PLAINTEXT',
		'listener.security.protocol.map' =>
		  join(',', map { "$_:" . (/SSL|SASL/ ? $_ : 'PLAINTEXT') } @public, 'CONTROLLER'),
		'log.dirs' => "$self->{dir}/data",
		'auto.create.topics.enable' => 'false',
		'offsets.topic.num.partitions' => 1,
		'offsets.topic.replication.factor' => 1,
		'transaction.state.log.num.partitions' => 1,
		'transaction.state.log.replication.factor' => 1,
		'transaction.state.log.min.isr' => 1,
		'group.initial.rebalance.delay.ms' => 0,
		'num.network.threads' => 2,
		'num.io.threads' => 2,
		# after a crash the broker must not wait for its own session to end
		'broker.session.timeout.ms' => 3000,
		'broker.heartbeat.interval.ms' => 200,
		'log.cleaner.enable' => 'false',
		# records keep, whatever time they say
		'log.retention.ms' => -1,
		# a deleted topic is gone, and a deleted record is not kept, at once
		'file.delete.delay.ms' => 100,
		'controlled.shutdown.enable' => 'false');

	if ($self->{sasl})
	{
		my $plain = 'org.apache.kafka.common.security.plain.PlainLoginModule';
		my $scram = 'org.apache.kafka.common.security.scram.ScramLoginModule';
		my $users = join(' ',
			map { "user_$_=\"$self->{sasl}{$_}\"" } sort keys %{ $self->{sasl} });

		$config{'sasl.enabled.mechanisms'} = 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512';
		foreach my $listener (grep { /^sasl/ } map { lc } @public)
		{
			my $prefix = "listener.name.$listener";
			$config{"$prefix.plain.sasl.jaas.config"} = "$plain required $users;";
			$config{"$prefix.scram-sha-256.sasl.jaas.config"} = "$scram required;";
			$config{"$prefix.scram-sha-512.sasl.jaas.config"} = "$scram required;";
		}
	}
	if ($self->{tls})
	{
		$config{'ssl.keystore.type'} = 'PEM';
		$config{'ssl.keystore.location'} = "$self->{dir}/keystore.pem";
	}
	if ($self->{acls})
	{
		$config{'authorizer.class.name'} =
		  'org.apache.kafka.metadata.authorizer.StandardAuthorizer';
		$config{'super.users'} = 'User:ANONYMOUS';
	}
	%config = (%config, %{ $self->{config} });

	append_to_file("$self->{dir}/server.properties",
		join('', map { "$_=$config{$_}\n" } sort keys %config));
	append_to_file("$self->{dir}/log4j.properties", <<'EOT');
log4j.rootLogger=WARN, stdout
log4j.logger.kafka.server.KafkaRaftServer=INFO
log4j.appender.stdout=org.apache.log4j.ConsoleAppender
log4j.appender.stdout.layout=org.apache.log4j.PatternLayout
log4j.appender.stdout.layout.ConversionPattern=[%d] %p %m (%c)%n
EOT
	return;
}

# Make the storage, with the users of SCRAM in it.
sub _format
{
	my ($self) = @_;
	my @scram;
	my $log = "$self->{dir}/format.log";

	foreach my $user (sort keys %{ $self->{sasl} || {} })
	{
		push @scram, '--add-scram',
		  "$_=[name=$user,password=$self->{sasl}{$user}]"
		  foreach 'SCRAM-SHA-256', 'SCRAM-SHA-512';
	}
	IPC::Run::run(
		[
			$self->_java(
				'kafka.tools.StorageTool', 'format', '-t',
				$self->{cluster}, '-c',
				"$self->{dir}/server.properties", @scram)
		],
		'>', $log, '2>&1') or croak 'could not format: ' . slurp_file($log);
	return;
}

1;


=pod

=head1 NAME

Evaudit::Page - a page in a browser, for somebody who uses it

=head1 SYNOPSIS

  my $page = Evaudit::Page->new("http://127.0.0.1:$port/");
  $page->type('token', $token);           # into the element of this id
  $page->click('pause source logins');    # once it is there and enabled
  $page->wait_for('return document.title', qr/done/);
  is($page->run('return localStorage.length'), 0);
  $page->picture('page.png', 1000, 800);

Unlike L<Evaudit::Browser>, whose pages are loaded and returned, this one
stays.  The browser is told what to do by its DevTools protocol over a pipe.

=cut

package Evaudit::Page;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use Evaudit::Browser;
use Fcntl qw(F_DUPFD);
use IO::Select;
use JSON::PP;
use MIME::Base64;
use POSIX ();
use PostgreSQL::Test::Utils;
use Time::HiRes qw(time usleep);

# Seconds that the browser may take.
my $DEADLINE = $PostgreSQL::Test::Utils::timeout_default || 180;

# A descriptor that a program inherits, and that is none of those it is given.
sub _inherited { return fcntl($_[0], F_DUPFD, 10) || croak "fcntl: $!"; }

sub new
{
	my ($class, $url) = @_;
	my $self = $class->SUPER::new('page', last => 0, received => '');

	pipe(my $commands, $self->{commands}) or croak "pipe: $!";
	pipe($self->{answers}, my $answers) or croak "pipe: $!";
	my @fds = map { _inherited($_) } $commands, $answers;

	# the sandbox takes rights that whoever tests may lack
	local $ENV{HOME} = $self->{dir};
	$self->launch('bash', '-c', 'exec "$@" 3<&' . $fds[0] . ' 4>&' . $fds[1],
		'bash', Evaudit::Browser->program, '--headless', '--no-sandbox',
		'--disable-gpu', '--disable-dev-shm-usage', '--no-first-run',
		"--user-data-dir=$self->{dir}/profile", '--remote-debugging-pipe');
	POSIX::close($_) foreach @fds;

	my $target = $self->_do('Target.createTarget', { url => 'about:blank' });
	$self->{session} = $self->_do('Target.attachToTarget',
		{ targetId => $target->{targetId}, flatten => JSON::PP::true })->{sessionId};
	$self->_do('Page.navigate', { url => $url });
	$self->wait_for('return location.href + document.readyState', qr/^\Q$url\Ecomplete$/);
	return $self;
}

# The next message of the browser.
sub _receive
{
	my ($self) = @_;
	my $until = time() + $DEADLINE;

	while ($self->{received} !~ /\0/)
	{
		IO::Select->new($self->{answers})->can_read($until - time())
		  or $self->_give_up('did not answer');
		sysread($self->{answers}, $self->{received}, 65536, length $self->{received})
		  or $self->_give_up('ended');
	}
	$self->{received} =~ s/^(.*?)\0//s;
	return decode_json($1);
}

# Send a command; what it returns.
sub _do
{
	my ($self, $method, $params) = @_;
	my $id = ++$self->{last};
	my $text = encode_json({ id => $id, method => $method, params => $params,
		$self->{session} ? (sessionId => $self->{session}) : () }) . "\0";
	my $answer;

	syswrite($self->{commands}, $text) == length $text or croak "write: $!";
	do { $answer = $self->_receive } until ($answer->{id} // 0) == $id;
	croak "$method: $answer->{error}{message}" if $answer->{error};
	return $answer->{result};
}

# What the body of an asynchronous function of the page returns, or
# "error: " and why not.
sub run
{
	my ($self, $script) = @_;
	my $result = $self->_do('Runtime.evaluate', {
		expression => "(async () => { $script })().catch(error => 'error: ' + error.message)",
		awaitPromise => JSON::PP::true,
		returnByValue => JSON::PP::true });

	return $result->{result}{value};
}

# Wait until the function returns what matches; returns that.
sub wait_for
{
	my ($self, $script, $expected) = @_;
	my $until = time() + $DEADLINE;
	my $value;

	until (defined($value = $self->run($script)) && $value =~ $expected)
	{
		croak "waited in vain for $expected: " . ($value // '') if time() > $until;
		usleep(50_000);
	}
	return $value;
}

# The text of an element, once it matches.
sub text_like
{
	my ($self, $id, $expected) = @_;
	return $self->wait_for("return document.getElementById('$id').innerText", $expected);
}

# Type into an element.
sub type
{
	my ($self, $id, $text) = @_;
	$self->run("const element = document.getElementById('$id'); element.value = '$text'; element.dispatchEvent(new Event('input'))");
	return;
}

# Click on an element, once that can be done.
sub click
{
	my ($self, $id) = @_;
	$self->wait_for("const element = document.getElementById('$id');"
		. ' if (!element || element.disabled) return 0; element.click(); return 1', qr/^1$/);
	return;
}

# A picture of the page.
sub picture
{
	my ($self, $file, $width, $height) = @_;

	$self->_do('Emulation.setDeviceMetricsOverride', { width => $width,
		height => $height, deviceScaleFactor => 1, mobile => JSON::PP::false });
	my $picture = $self->_do('Page.captureScreenshot', { format => 'png' });
	open(my $out, '>:raw', $file) or croak "$file: $!";
	print $out decode_base64($picture->{data});
	close $out or croak "$file: $!";
	return;
}

1;

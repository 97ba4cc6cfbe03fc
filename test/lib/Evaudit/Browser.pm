
=pod

=head1 NAME

Evaudit::Browser - a browser without a window, and pages for it

=head1 SYNOPSIS

  plan skip_all => Evaudit::Browser->unavailable
    if Evaudit::Browser->unavailable;
  my $browser = Evaudit::Browser->new;
  like($browser->dom("http://127.0.0.1:$port/docs"), qr/swagger/);
  $browser->page('index.html', '<script>...</script>');
  my $dom = $browser->dom($browser->origin . '/index.html');
  is($browser->run("return (await fetch('$url')).status"), 200);

C<dom> loads a page, waits until its scripts and the requests that they make
are done, and returns the document as HTML.  C<run> has a page of C<origin>
run the body of an asynchronous function and returns what that returns, or
"error: " and why not.  The pages are served at a port of their own, so that
C<origin> is not the origin of any other server.

=cut

package Evaudit::Browser;

use strict;
use warnings;

use parent 'Evaudit::Process';

use Carp;
use HTTP::Tiny;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;

# Milliseconds of the page's own clock, which stands still while it waits for
# a response: far more than any page of a test takes.
my $BUDGET = 60_000;

# The program, or undef.
sub program
{
	my ($found) = grep { -x } map { ("$_/chromium", "$_/chromium-browser") }
	  split /:/, $ENV{PATH};
	return $found;
}

# Why a test that needs it cannot run here; undef if it can.
sub unavailable
{
	return program() ? undef : 'there is no Chromium';
}

sub new
{
	my ($class) = @_;
	my $self = $class->SUPER::new('browser',
		port => PostgreSQL::Test::Cluster::get_free_port());
	my $http = HTTP::Tiny->new(timeout => 10);

	mkdir "$self->{dir}/pages" or croak "could not make a folder: $!";
	$self->launch('python3', '-m', 'http.server', $self->{port},
		'--bind', '127.0.0.1', '--directory', "$self->{dir}/pages");
	$self->await(sub { $http->get($self->origin . '/')->{success} });
	return $self;
}

# Where the pages are.
sub origin
{
	my ($self) = @_;
	return "http://127.0.0.1:$self->{port}";
}

# Write a page.
sub page
{
	my ($self, $name, $html) = @_;
	my $file = "$self->{dir}/pages/$name";

	unlink $file;
	append_to_file($file, $html);
	return $self->origin . "/$name";
}

# The document of a page once it is done.
sub dom
{
	my ($self, $url) = @_;
	my ($dom, $log) = ('', '');

	# the sandbox takes rights that whoever tests may lack
	local $ENV{HOME} = $self->{dir};
	IPC::Run::run(
		[
			program(), '--headless', '--no-sandbox', '--disable-gpu',
			'--disable-dev-shm-usage', '--no-first-run',
			"--user-data-dir=$self->{dir}/profile",
			"--virtual-time-budget=$BUDGET", '--dump-dom', $url
		],
		'<', \undef, '>', \$dom, '2>', \$log,
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default || 180))
	  or croak "Chromium failed at $url: $log";
	return $dom;
}

# What a script of a page returns.  Each page has a name of its own: the server
# tells versions of a page apart by the second, and the browser keeps pages.
sub run
{
	my ($self, $script) = @_;
	my $name = 'run' . ++$self->{runs} . '.html';
	my $dom = $self->dom($self->page($name, <<"HTML"));
<!DOCTYPE html>
<html><body><pre id="result">nothing</pre><script>
(async () => { $script })()
	.then(value => value, error => 'error: ' + error.message)
	.then(text => document.getElementById('result').textContent = text);
</script></body></html>
HTML
	my ($text) = $dom =~ m{<pre id="result">(.*?)</pre>}s;

	$text =~ s/&(lt|gt|amp|nbsp);/{ lt => '<', gt => '>', amp => '&', nbsp => ' ' }->{$1}/ge;
	return $text;
}

1;

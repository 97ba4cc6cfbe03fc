
=pod

=head1 NAME

Evaudit::Documentation - what pages of Markdown say and show

=head1 SYNOPSIS

  my $page = Evaudit::Documentation->new($root, 'docs/audit.md');
  foreach my $block ($page->sql_blocks)
  {
      $block->{line};          # where it begins
      $block->{await};         # a condition to wait for before it, or undef
      $block->{not_run};       # why it is not run, or undef
      foreach my $statement (@{ $block->{statements} })
      {
          $statement->{sql};
          $statement->{result};       # rows as the page shows them, or undef
          $statement->{sqlstate};     # of the error that the page shows
      }
  }
  $page->broken_links;                # "line 7: docs/nowhere.md"
  $page->tables('Settings');          # rows of cells below headings
  $page->text;

A block of SQL is run as it stands.  What a statement returns stands in comments
on the lines that follow it, columns separated by C<|>, with C<…> for what
differs from run to run:

  SELECT services_for_user('123');
  -- {"user_id": "123", "services": […]}

A statement that fails says so behind it: C<-- ERROR 23505: ...>.  Comments of
HTML, which no reader sees, say more:

  <!-- await: SELECT count(*) = 3 FROM user_services -->
  <!-- not run: pg_dump is no SQL -->

=cut

package Evaudit::Documentation;

use strict;
use warnings;

use File::Basename;
use File::Spec;
use PostgreSQL::Test::Utils;

# Pages by their file, read once.
my %pages;

sub new
{
	my ($class, $root, $file) = @_;
	my $path = File::Spec->canonpath("$root/$file");

	return $pages{$path} if $pages{$path};
	my $self = bless { root => $root, file => $file }, $class;
	my ($fence, @lines, $heading, %anchors);

	# each line with what it is: prose, or the language of its block
	foreach my $line (split /\n/, slurp_file($path))
	{
		if ($line =~ /^\s*```\s*(\w*)/)
		{
			my $opens = !defined $fence;
			$fence = $opens ? ($1 || 'text') : undef;
			push @lines, { text => $line, kind => $opens ? 'open' : 'close',
				language => $fence };
			next;
		}
		if (!defined $fence && $line =~ /^#+\s+(.*)/)
		{
			$heading = $1;
			my $anchor = anchor($heading);
			my $n = $anchors{$anchor}++;
			$self->{anchors}{ $n ? "$anchor-$n" : $anchor } = 1;
		}
		push @lines, { text => $line, kind => $fence // 'prose',
			heading => $heading };
	}
	die "$file: a block is not closed" if defined $fence;
	$self->{lines} = \@lines;
	return $pages{$path} = $self;
}

# The anchor that a heading gets where pages are shown.
sub anchor
{
	my ($heading) = @_;

	$heading =~ s/\[([^\]]*)\]\([^)]*\)/$1/g;
	$heading = lc $heading;
	$heading =~ s/[^\w\- ]//g;
	$heading =~ s/ /-/g;
	return $heading;
}

# All blocks of SQL, in order.
sub sql_blocks
{
	my ($self) = @_;
	my (@blocks, $open, %said);

	foreach my $i (0 .. $#{ $self->{lines} })
	{
		my $line = $self->{lines}[$i];

		if ($line->{kind} eq 'prose')
		{
			if ($line->{text} =~ /^<!-- (await|not run): (.*) -->$/)
			{
				$said{$1} = $2;
			}
		}
		elsif ($line->{kind} eq 'open')
		{
			$open = { line => $i + 2, text => '', await => $said{await},
				not_run => $said{'not run'} } if $line->{language} eq 'sql';
			%said = ();
		}
		elsif ($line->{kind} eq 'close')
		{
			push @blocks, $open if $open;
			$open = undef;
		}
		elsif ($open)
		{
			$open->{text} .= "$line->{text}\n";
		}
	}
	$_->{statements} = [ statements($_->{text}) ] foreach @blocks;
	return @blocks;
}

# The statements of a block, with what the page says they return.
sub statements
{
	my ($text) = @_;
	my ($sql, @statements) = ('');

	while ($text =~ /\G(
			'(?:[^']|'')*' | "(?:[^"]|"")*" | \$(\w*)\$.*?\$\2\$ |
			--[^\n]*\n | ; | [^;'"\$-]+ | . )/gcsx)
	{
		my $token = $1;

		$sql .= $token unless $token =~ /^--/;
		next unless $token eq ';';
		my %statement = (sql => $sql =~ s/^\s+//r);
		$sql = '';
		$statement{sqlstate} = $1
		  if $text =~ /\G[ \t]*-- ERROR (\w{5})\b[^\n]*\n/gc;
		$text =~ /\G[ \t]*(?:--[^\n]*)?\n/gc;
		push @{ $statement{result} }, $1 while $text =~ /\G-- ?([^\n]*)\n/gc;
		push @statements, \%statement;
	}
	die "a statement is not closed: $sql" if $sql =~ /\S/;
	return @statements;
}

# Links to files and headings that are not there.
sub broken_links
{
	my ($self) = @_;
	my (@broken, %defined, %used);

	foreach my $i (0 .. $#{ $self->{lines} })
	{
		my $line = $self->{lines}[$i];
		next unless $line->{kind} eq 'prose';
		my $text = $line->{text} =~ s/`[^`]*`//gr;
		my $where = 'line ' . ($i + 1);

		$defined{ lc $1 } = 1 if $text =~ /^\[([^\]]+)\]:\s*\S/;
		$used{ lc $1 } //= $where while $text =~ /\]\[([^\]]+)\]/g;
		while ($text =~ /\]\(([^)\s]+)\)/g)
		{
			push @broken, "$where: $1" unless $self->link_leads_somewhere($1);
		}
	}
	push @broken, "$used{$_}: [$_]" foreach grep { !$defined{$_} } sort keys %used;
	return @broken;
}

# Whether a link leads to a file, and a heading of it.  What is elsewhere on the
# network is not asked for.
sub link_leads_somewhere
{
	my ($self, $link) = @_;

	return 1 if $link =~ m{^https?://[\w.-]+};
	my ($file, $anchor) = split /#/, $link, 2;
	my $target = $file eq '' ? $self->{file}
	  : File::Spec->catfile(dirname($self->{file}), $file);

	return 0 unless -e "$self->{root}/$target";
	return 1 unless defined $anchor;
	return 0 unless $target =~ /\.md$/;
	return __PACKAGE__->new($self->{root}, $target)->{anchors}{$anchor} // 0;
}

# The files of this page's links.
sub linked_files
{
	my ($self) = @_;
	my %files;

	foreach my $line (grep { $_->{kind} eq 'prose' } @{ $self->{lines} })
	{
		$files{ File::Spec->canonpath(dirname($self->{file}) . "/$1") } = 1
		  while $line->{text} =~ /\]\(([^)#\s]+)(?:#[^)]*)?\)/g;
	}
	return sort keys %files;
}

# The rows of the tables below the headings that match, as arrays of cells
# without backquotes, and without the tables' own heads.
sub tables
{
	my ($self, $heading) = @_;
	my (@rows, $body);

	foreach my $line (@{ $self->{lines} })
	{
		my $text = $line->{text};
		my $here = $line->{kind} eq 'prose'
		  && ($line->{heading} // '') =~ /^(?:$heading)$/;

		$body = $here && ($body || $text =~ /^\|[-|: ]+\|$/) && $text =~ /^\|/;
		next unless $body && $text !~ /^\|[-|: ]+\|$/;
		push @rows,
		  [ map { s/^\s+|\s+$|`//gr } split /\|/, $text =~ s/^\|//r, -1 ];
	}
	return @rows;
}

# The headings.
sub headings
{
	my ($self) = @_;
	my %headings =
	  map { $_->{heading} => 1 } grep { defined $_->{heading} } @{ $self->{lines} };

	return sort keys %headings;
}

# All text.
sub text
{
	my ($self) = @_;
	return join("\n", map { $_->{text} } @{ $self->{lines} }) . "\n";
}

sub line_count { return scalar @{ $_[0]{lines} }; }

1;

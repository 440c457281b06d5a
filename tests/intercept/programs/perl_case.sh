# perl_case: pipes, forks, sockets, floats, signals.
perl -e 'use strict; use POSIX qw(:sys_wait_h sin pause); use IO::Socket::UNIX; use Socket; use Time::HiRes;
my @a = map { $_ * 1.5 } 1..10; print "@a\n"; open(my $f, "-|", "echo piped"); print <$f>; close $f;
for my $i (1..20 * $ENV{SCALE}) { my $p = fork; if (!$p) { exit $i } waitpid($p, 0); print $? >> 8, " " } print "\n";
system("true"); print "$?\n"; print `echo back; exit 3`; print $? >> 8, "\n";
socketpair(my $x, my $y, AF_UNIX, SOCK_STREAM, PF_UNSPEC); $x->autoflush; print $x "line\n"; print scalar <$y>;
$SIG{USR1} = sub { print "usr1\n" }; $SIG{ALRM} = sub { print "alarm\n" }; $| = 1; kill USR1 => $$; Time::HiRes::ualarm(50000); pause;
printf "%.12f\n", sin(1.0); my $s = 0; $s += sqrt $_ for 1..10000; printf "%.6f\n", $s;
open(my $o, ">", "file"); print $o "x" x 100000; close $o; print -s "file", "\n"; unlink "file"; opendir(my $d, "/"); print scalar(grep { $_ eq "usr" } readdir $d), "\n"'

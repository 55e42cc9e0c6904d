/* The shell command by which a remote host runs the native worker from its cache, or takes it in
 * first. One line, without single quotes, backslashes and exclamation marks inside, so that it
 * passes through any login shell as one quoted word.
 *
 * Other users of the host may own or fill /tmp/farflung-UID, and may swap what is in it between a
 * look at it and its use. So a folder and a file are opened once, as descriptors 8 and 9, and what
 * is looked at, hashed and executed goes by /proc/self/fd from then on. Where there is no /proc the
 * folder is entered instead, which holds it as well; in a folder that is ours and that nobody else
 * can write to, its files stay what they are. */
#include <stdio.h>

#include "worker/bootstrap.h"

#if defined(__x86_64__)
#define MACHINE "\"Linux x86_64\"|\"Linux amd64\""
#elif defined(__aarch64__)
#define MACHINE "\"Linux aarch64\"|\"Linux arm64\""
#else
#define MACHINE "unknown"
#endif

/* Parameters come first: h=HASH; n=SIZE; then this. */
static const char script[] =
	/* The words of the answer are not to be found in the script: a login shell may echo it. */
	"q=farflung; no() { echo \"$q-no $*\"; exit 0; }; "
	"why() { w=\"$w$z$d: $*\"; z=\", \"; return 1; }; "
	/* ours FILE...: they are, and nobody else may write to them. An ACL shows as the group's
	 * right. The names are in the order in which ls has them, too. */
	"ours() { for i; do [ -O \"$i\" ] || return 1; done; "
	"l=$(ls -Ldn \"$@\" 2>/dev/null) || return 1; for i; do "
	"case $l in ?????"
	"-??"
	"-*) ;; *) return 1; esac; l=${l#*\"$i\"?}; done; }; "
	/* at: the folder $d is open; $f is its name from now on. */
	"at() { [ -d \"$d\" ] || return 1; [ -h \"$d\" ] && { why a link; return 1; }; "
	"f=/proc/self/fd/8; "
	"{ command exec 8<\"$d/.\"; } 2>/dev/null || { why cannot be opened; return 1; }; "
	"[ $f/. -ef \"$d\" ] || { f=.; cd \"$d\" 2>/dev/null; } || why cannot be entered; }; "
	/* With no tool to hash with, the size must do. */
	"sum() { { sha256sum || openssl dgst -r -sha256; } 2>/dev/null <&9; }; "
	/* ok NAME: it is the worker, and it may be executed here (test -x says no on a noexec
	 * mount); $g is what to execute. */
	"ok() { [ -O $f/. ] && [ -f \"$f/$1\" ] && [ -x \"$f/$1\" ] || return 1; "
	"[ -h \"$f/$1\" ] && return 1; "
	"{ command exec 9<\"$f/$1\"; } 2>/dev/null || return 1; g=/proc/self/fd/9; "
	"[ $g -ef \"$f/$1\" ] || g=$f/$1; ours $f/. \"$g\" || return 1; s=$(sum); s=${s%% *}; "
	"if [ \"$s\" ]; then [ \"$s\" = $h ]; else [ $(wc -c <&9) -eq $n ]; fi; }; "
	/* sweep: removes what uploads have left that were killed: on this host, or long ago. */
	"sweep() { for i in $f/upload-*; do [ -f \"$i\" ] || continue; j=${i##*/upload-}; "
	"y=${y:-$(uname -n)}; if [ \"${j%-*}\" = \"$y\" ] || [ \"${j%-*}\" = \"$j\" ]; then "
	"kill -0 \"${j##*-}\" 2>/dev/null || rm -f \"$i\"; "
	"else find \"$i\" -mtime +0 -exec rm -f {} + 2>/dev/null; fi; done; }; "
	"clean() { [ \"$t\" ] && rm -f \"$f/$t\"; t=; }; "
	/* put: takes the worker into $d. What can't be written is read all the same, or the sender
	 * would go on sending. Not every shell's test -x knows noexec; once, it is tried. */
	"put() { mkdir -p \"$d\" 2>/dev/null; [ -d \"$d\" ] || { why cannot be made; return 1; }; "
	"at || return 1; ours $f/. || { why not ours alone; return 1; }; sweep; "
	"y=${y:-$(uname -n)}; t=upload-$y-$$; { true >\"$f/$t\"; } 2>/dev/null && "
	"chmod 700 \"$f/$t\" || { clean; why cannot be written to; return 1; }; "
	"[ -x \"$f/$t\" ] || { clean; why nothing may be executed there; return 1; }; "
	"echo $q-need; e=$(head -c $n | { cat 2>&1 >\"$f/$t\"; cat >/dev/null; }); "
	/* Whose sender is gone need not be put elsewhere. */
	"ok \"$t\" || { [ \"$e\" ] || [ $(wc -c <\"$f/$t\") -eq $n ] || no the upload is cut "
	"short; "
	"clean; why \"${e:-the upload is damaged}\"; return 1; }; "
	"e=$(\"$g\" --version 2>&1 >/dev/null) && mv -f \"$f/$t\" \"$f/worker-$h\" || "
	"{ clean; why \"${e:-it does not start}\"; return 1; }; t=; "
	"case $g in /*) ;; *) g=$f/worker-$h;; esac; "
	"find $f/. -name \"worker-*\" -mtime +30 -exec rm -f {} + 2>/dev/null; }; "
	"run() { [ \"$k\" ] && umask $k; set -- --close 9; "
	"[ $f = . ] && set -- \"$@\" --chdir \"$o\"; echo $q-run; exec \"$g\" \"$@\" 8<&-; }; "
	"m=$(uname -sm); case $m in " MACHINE ") ;; *) no $m ;; esac; "
	"o=$PWD; w=; z=; k=; t=; y=; a=$XDG_CACHE_HOME; "
	"case $a in /*) ;; *) a=$HOME/.cache; esac; a=$a/farflung; "
	/* Each program costs a millisecond: id is run where the first folder has nothing. */
	"for d in \"$a\" \"\"; do [ \"$d\" ] || { b=$TMPDIR; case $b in /*) ;; *) b=/tmp; esac; "
	"b=$b/farflung-$(id -u); d=$b; }; at && ok worker-$h && { sweep; run; }; done; "
	"k=$(umask); w=; z=; trap clean 0; trap \"exit 1\" 1 2 13 15; "
	"for d in \"$a\" \"$b\"; do umask 077; put && run; done; "
	"no no folder to put it into: $w";

int ff_bootstrap_upload_command(struct ff_buf *out)
{
	const void *bytes;
	size_t len;

	ff_bootstrap_image(&bytes, &len);
	return ff_buf_addf(out, "exec /bin/sh -c 'h=%s; n=%zu; %s'", ff_bootstrap_image_hash(), len,
			   script);
}

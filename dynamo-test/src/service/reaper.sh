# Runs a server and outlives everyone who might forget it.
#
# Called as `sh -c THIS reaper FOLDER PROGRAM ARGUMENT…`, in a process group of its own. Standard input is a pipe
# whose other end the harness holds: at a line, or when the harness ends, however it ends, the read below returns, the
# server is killed and its folder removed. Standard error is the server's log; it reaches its end when the server has gone.
# One line goes to standard output: the server's exit status.
folder=$1
shift
"$@" </dev/null >&2 &
server=$!
exec 2>/dev/null
# PIPE, too: whoever would read the status below may be gone.
trap '' TERM INT HUP QUIT PIPE
read -r _
kill -9 "$server"
wait "$server"
status=$?
# A server that is a script may have left the real one in this group; this shell does not heed TERM.
kill -TERM 0
cd /
rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
# The last server of a run takes the run's folder along.
rmdir "${folder%/*}"
echo "$status"
kill -9 0

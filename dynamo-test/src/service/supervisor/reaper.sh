# Ends what a supervisor has left, however that ended, and removes its folder.
#
# Called as `sh -c THIS reaper FOLDER`, in a process group of its own. Standard input is a pipe whose other end the
# supervisor holds. `add NUMBER COMMAND` on it says what is to be done when the supervisor is gone, `drop NUMBER` that it
# has been done. The pipe's end says that the supervisor is gone, or about to be. Standard output is the folder itself, whose lock so lasts until this shell ends.
folder=$1
PATH=${PATH:+$PATH:}/bin:/usr/bin # The user's may lack even these.
exec 2>/dev/null
trap '' TERM INT HUP QUIT PIPE
numbers=
while read -r word number command; do
  case $word in
    add) numbers="$numbers $number" && eval "task_$number=\$command" ;;
    drop) unset "task_$number" ;;
  esac
done
for number in $numbers; do
  eval "eval \"\${task_$number-}\"" </dev/null >&2
done
wait # For what takes its time.
cd /
# A process that is just being killed may still write, so there is a second time.
rm -rf "$folder" || { sleep 1; rm -rf "$folder"; }
# The last supervisor of a run takes the run's folder along.
rmdir "${folder%/*}"

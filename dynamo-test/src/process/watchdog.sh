# Ends the processes of a case whose own process is gone.
#
# Called as `sh -c THIS watchdog MARK FILE`, in a process group of its own; FILE goes when this ends. Standard input is a pipe whose other end the
# case's process holds: `watch GROUP` and `forget GROUP` on it name the process groups there are, `end` says that none
# is left. Its end without that says that the case's process has been killed. MARK begins the value of a variable that
# all the processes inherited, by which those that left their group are found, where there is a /proc.
mark=$1 file=$2
trap '' TERM INT HUP QUIT
trap 'rm -f "$file"' EXIT
groups=
while read -r word group; do
  case $word in
    watch) groups="$groups $group" ;;
    forget)
      left=
      for known in $groups; do [ "$known" = "$group" ] || left="$left $known"; done
      groups=$left
      ;;
    end) exit ;;
  esac
done

exec 2>/dev/null

# Sends a signal to all; fails where none is left to get it.
signal() {
  found=1
  for group in $groups; do
    # With a /proc, a group that has running processes is found below, too; one of zombies takes signals for ever.
    kill -s "$1" -- "-$group" && [ ! -d /proc/self ] && found=0
  done
  for environment in $(grep -lsF "DYNAMO_TEST_PROCESS=$mark" /proc/[0-9]*/environ); do
    pid=${environment#/proc/}
    kill -s "$1" "${pid%/environ}" && found=0
  done
  return $found
}

signal TERM || exit
signal CONT
pause=0
while [ $pause -lt 20 ] && signal 0; do
  sleep 0.1
  pause=$((pause + 1))
done
# What is just being started when its parent is killed falls to the next round.
while [ $pause -lt 100 ] && signal KILL; do
  sleep 0.1
  pause=$((pause + 1))
done

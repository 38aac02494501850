#!/usr/bin/env bash
# A robot that an agent steers over MQTT: robot.sh HOST PORT RUN ROBOT X Y [RATE]    (TLS: MQTT_CA, MQTT_CERT, MQTT_KEY name PEM files)
run=$3 robot=$4 rate=${7:-10} period=$((1000 / ${7:-10})) topic=${MQTT_PREFIX:-mimicd/v1}/$3/$4
to=(-h "$1" -p "$2" -V 5 -k 5 ${MQTT_CA:+--cafile "$MQTT_CA"} ${MQTT_CERT:+--cert "$MQTT_CERT" --key "$MQTT_KEY"})
can='{"action":"position","dimension":2,"min":[-5,-7],"max":[25,7],"change":[0.6,0.6],"rate":'$rate',"ttlMs":300,"payload":2048,
  "geofence":[[-5,-6],[-4,-7],[25,-7],[25,7],[-5,7]],"observation":"pose","values":2}'
printf -v fx %.0f "$5e6"; printf -v fy %.0f "$6e6"; tx=$fx ty=$fy now=0 due=0 since=0 begun=0 pubs= part=''
# ==== YOURS, 1: read your sensors into x and y: where the robot is [um]. (Here: a point that goes straight to where it was sent.)
read_sensors() { t=$((now - since)); ((t < period)) || t=$period; x=$((fx + (tx - fx) * t / period)) y=$((fy + (ty - fy) * t / period)); }
# ==== YOURS, 2: drive your motors. Towards a position [um] that kept every rule; without one: stop safely, now.
drive_motors() { read_sensors; fx=$x fy=$y tx=${1:-$x} ty=${2:-$y} since=$now; }
# ==== The rest is the contract. The guard is told of an event in a line (when, where, what), and says in lines what is to be done.
coproc guard { trap '' INT; exec jq --unbuffered -nRr --argjson can "$can" --arg run "$run" --arg robot "$robot" '
def whole: type == "number" and . == floor and . >= 0 and . < 9007199254740992; def on(f; $rule): if f then $rule else empty end;
def command: type == "object" and all(.v, .term, .seq, .ack, .obsT, .ttlMs; whole) and all(.run, .robot, .session; type == "string")
  and (.arm // false | type == "boolean") and (.action | type == "array" and all(type == "number"));
def inside($x; $y): [., .[-1:] + .[:-1]] | transpose | map(. as [[$a, $b], [$c, $d]]  # Even-odd rule: how many edges lie to the right?
  | select(($b > $y) != ($d > $y) and $x < $a + ($c - $a) * ($y - $b) / ($d - $b))) | length % 2 == 1;
def obeyed($m; $c; $now; $at):  # Leaves in .rule the first one that a message breaks; if it breaks none, it is to be driven.
  (try ([$c.action, $can.min, $can.max, $can.change, $at] | transpose) catch []) as $each |
  .rule = first(on($m.retain == 1; "retained"), on($m.payloadlen > $can.payload; "size"),
    on($m.properties["content-type"] // "application/json" | . != "application/json"; "encoding"), on($c | command | not; "parse"),
    on($c.v != 1; "version"), on($c.run != $run; "run"), on($c.robot != $robot; "robot"), on($c.session != .session; "session"),
    on($c.term < .term; "term"), on($c.term == .term and $c.seq <= .seq; "seq"), null) |
  if .rule then . else .term = $c.term | .seq = $c.seq | (([$c.ttlMs, $can.ttlMs] | min) + $c.obsT) as $dead |
  .rule = first(on($now < $c.obsT or $now > $dead; "age"), on($c.action | length != $can.dimension; "dimension"),
    on($c.action | all(. > -1e308 and . < 1e308) | not; "finite"), on($each | all(.[0] >= .[1] and .[0] <= .[2]) | not; "range"),
    on($each | any((.[0] - .[4] | fabs) > .[3]); "change"), on($can.geofence | inside($c.action[0]; $c.action[1]) | not; "geofence"),
    on(.armed or $c.arm | not; "disarmed"), null) |
  if .rule then . else .out = ["drive \($c.action | map(. * 1e6 | round | tostring) | join(" "))"] | .acted += 1 | .dead = $dead |
  if .armed then . else .armed = true | .told = 0 end end end;
foreach inputs as $line ({armed: false};
  ($line / "\t") as [$n, $x, $y, $what] | ($n | tonumber) as $now | [$x, $y | tonumber / 1e6] as $at | .out = [] | .rule = null
  | if .armed and $now > .dead then .armed = false | .stops += 1 | .told = 0 | .out = ["drive"] else . end
  | if $what == "tick" then {v: 1, run: $run, robot: $robot, session, t: $now, armed} as $say | .obs += 1
    | .out += ["obs " + ($say + {seq: .obs, values: $at} | tojson)] | if $now < .told + 1000 then . else .told = $now
    | .out += ["rep " + ($say + {term, acted, stops, refused, received: (.acted + (.refused | add // 0))} | tojson)] end
    elif $what | startswith("{") then ($what | try fromjson catch {}) as $m  # Of mosquitto_sub. U+FFFD: the payload was no UTF-8.
    | obeyed($m; $m.payload | try (if contains("\ufffd") then null else fromjson end) catch null; $now; $at)
    | if .rule then .refused[.rule] += 1 | .told = 0 else . end
    else {session: $what, armed: false, refused: {}, out: ["drive"]} | (.term, .seq, .obs, .acted, .stops, .told) = 0 end; .out[], "ok")'; }
ask() { read_sensors; printf '%s\t%s\t%s\t%s\n' "$now" "$x" "$y" "$1" >&"${guard[1]}"  # Tells the guard of an event, and does as it says.
  while read -r -u "${guard[0]}" do it; do case $do in drive) drive_motors $it ;; obs | rep) echo "$it" >&"${!do}" ;; *) break ;; esac; done
}
say() { printf '{"v":1,"run":"%s","robot":"%s","session":"%s",%s}' "$run" "$robot" "$session" "$1"; }
connect() { kill -9 $sub $pubs 2>/dev/null; session=$(od -An -N8 -tx1 /dev/urandom | tr -d ' \n') tries=0  # A session for each connection.
  exec 5< <(sleep 0.2; exec stdbuf -oL mosquitto_sub "${to[@]}" -d -i "$run-$robot" -t "$topic/cmd" -F %j \
    --will-topic "$topic/conn" --will-payload "$(say '"online":false')" --will-retain --will-qos 1 2>&1); sub=$!
}
trap '' PIPE; trap 'drive_motors; kill -9 $sub $pubs; exit' TERM INT; connect  # The will is its farewell.
while :; do
  read -r up _ </proc/uptime; now=${up/./}0  # [ms], never set back
  ((!begun || now < due)) || { ask tick; due=$((due + period > now ? due + period : now + period)); }
  if IFS= read -r -t 0.01 -u 5 line; then line=$part$line part=''; elif (($? > 128)); then part+=$line; continue; else connect; continue; fi
  case $line in '{'*) ask "$line" ;; *' sending CONNECT') ((tries++ == 0)) || connect ;; Subscribed*)
    exec {obs}> >(exec mosquitto_pub "${to[@]}" -l -t "$topic/obs"); pubs=$!
    exec {rep}> >(exec mosquitto_pub "${to[@]}" -l -t "$topic/rep"); pubs+=" $!" begun=1
    ask "$session"; mosquitto_pub "${to[@]}" -q 1 -r -t "$topic/conn" -m "$(say '"online":true,"capabilities":'"$can")" & ;;
  esac  # mosquitto_sub would connect again with the same session, so it is ended when it tries.
done

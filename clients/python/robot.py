#!/usr/bin/env python3
"""A robot that an agent steers over MQTT: robot.py HOST PORT RUN ROBOT X Y [RATE]    (TLS: MQTT_CA, MQTT_CERT, MQTT_KEY name PEM files)"""
import atexit, collections, json, os, queue, secrets, signal, sys, time, paho.mqtt.client as mqtt
host, port, run, robot, x, y, rate = (sys.argv[1:] + ["10"])[:7]
caps = {"action": "position", "dimension": 2, "min": [-5, -7], "max": [25, 7], "change": [0.6, 0.6], "rate": float(rate), "ttlMs": 300,
        "geofence": [[-5, -6], [-4, -7], [25, -7], [25, 7], [-5, 7]], "payload": 2048, "observation": "pose", "values": 2}
here, there, since = [float(x), float(y)], [float(x), float(y)], 0
def now(): return time.monotonic_ns() // 1_000_000  # [ms], never set back
# ==== YOURS, 1: read your sensors. Where the robot is [m]. (Here: a point that goes straight to where it was sent, within a period.)
def read_sensors():
    return [a + (b - a) * min((now() - since) * caps["rate"] / 1000, 1) for a, b in zip(here, there)]
# ==== YOURS, 2: drive your motors. Towards a position [m] that kept every rule; None: stop safely, now.
def drive_motors(position):
    global here, there, since
    here = read_sensors(); there = position or here; since = now()
# ==== The rest is the contract.
def inside(x, y, fence):  # Even-odd rule: an odd number of edges lies to the right of a point inside.
    return sum((b > y) != (d > y) and x < a + (c - a) * (y - b) / (d - b) for (a, b), (c, d) in zip(fence, fence[-1:] + fence)) % 2
def rules(m, known="application/json"):  # The rules in their order, and whether a command keeps them. Asked up to the first that it breaks.
    yield "retained", not m.retain; yield "size", len(m.payload) <= caps["payload"]
    yield "encoding", getattr(m.properties, "ContentType", known) == known
    try:
        c = json.loads(m.payload.decode()); a, arm, wholes = c["action"], c.get("arm", False), ("v", "term", "seq", "ack", "obsT", "ttlMs")
        good = all(type(c[k]) is int and 0 <= c[k] < 2**53 for k in wholes) and all(type(c[k]) is str for k in ("run", "robot", "session"))
        yield "parse", good and type(arm) is bool and type(a) is list and all(type(n) in (int, float) for n in a)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError): yield "parse", False
    yield "version", c["v"] == 1; yield "run", c["run"] == run
    yield "robot", c["robot"] == robot; yield "session", c["session"] == session
    yield "term", c["term"] >= s["term"]; s["term"], s["seq"] = c["term"], s["seq"] if c["term"] == s["term"] else 0
    yield "seq", c["seq"] > s["seq"]; s["seq"] = c["seq"]; dead = c["obsT"] + min(c["ttlMs"], caps["ttlMs"])
    yield "age", c["obsT"] <= now() <= dead; yield "dimension", len(a) == caps["dimension"]
    yield "finite", all(abs(n) < float("inf") for n in a)
    yield "range", all(low <= n <= high for low, n, high in zip(caps["min"], a, caps["max"]))
    yield "change", all(abs(n - p) <= most for n, p, most in zip(a, read_sensors(), caps["change"]))
    yield "geofence", inside(*a, caps["geofence"]); yield "disarmed", s["armed"] or arm
    drive_motors(a); s.update(armed=True, dead=dead, acted=s["acted"] + 1, told=s["told"] if s["armed"] else 0)
def say(kind, keep=0, **body): return topic + kind, json.dumps({**who, "session": session, **body}), keep, keep > 0
def draw(*_):  # The next connection's session, and the will that goes with it.
    global drawn; drawn = secrets.token_hex(8); link.will_set(*say("conn", 1, session=drawn, online=False))
who, s, session, due, events = {"v": 1, "run": run, "robot": robot}, {"armed": False}, None, 0, queue.Queue()
topic = f"{os.getenv('MQTT_PREFIX', 'mimicd/v1')}/{run}/{robot}/"
link = mqtt.Client(*[v.VERSION1 for v in [getattr(mqtt, "CallbackAPIVersion", None)] if v], f"{run}-{robot}", protocol=mqtt.MQTTv5)
if os.getenv("MQTT_CA"): link.tls_set(os.environ["MQTT_CA"], os.getenv("MQTT_CERT"), os.getenv("MQTT_KEY"))
link.on_connect, link.on_disconnect, link.on_message = lambda *_: events.put(drawn), draw, lambda *a: events.put(a[2])
draw(); link.connect_async(host, int(port), 5); link.loop_start(); signal.signal(signal.SIGTERM, lambda *_: sys.exit())
atexit.register(lambda: (drive_motors(None), link.publish(*say("conn", 1, online=False)), link.disconnect(), link.loop_stop()))
while True:
    try: event = events.get(timeout=max((min(due, s["dead"] + 1) if s["armed"] else due) - now(), 0) / 1000)
    except queue.Empty: event = None
    if s["armed"] and now() > s["dead"]: drive_motors(None); s.update(armed=False, stops=s["stops"] + 1, told=0)
    if type(event) is str:
        session, refused, s = event, collections.Counter(), dict(armed=False, term=0, seq=0, obs=0, acted=0, stops=0, told=0)
        drive_motors(None); link.subscribe(topic + "cmd"); link.publish(*say("conn", 1, online=True, capabilities=caps))
    elif event and (broken := next((rule for rule, kept in rules(event) if not kept), None)): refused[broken] += 1; s["told"] = 0
    if now() >= due:
        due = max(due + 1000 / caps["rate"], now())
        if session: s["obs"] += 1; link.publish(*say("obs", seq=s["obs"], t=now(), armed=s["armed"], values=read_sensors()))
        if session and now() >= s["told"] + 1000:
            s["told"], told = now(), {key: s[key] for key in ("armed", "term", "acted", "stops")}
            link.publish(*say("rep", t=now(), received=s["acted"] + sum(refused.values()), refused=refused, **told))

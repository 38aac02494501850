#!/usr/bin/env node
// A robot that an agent steers over MQTT: robot.mjs HOST PORT RUN ROBOT X Y [RATE]    (TLS: MQTT_CA, MQTT_CERT, MQTT_KEY name PEM files)
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import mqtt from "mqtt";
const [host, port, run, robot, x, y, rate = "10"] = process.argv.slice(2), env = process.env;
const can = { action: "position", dimension: 2, min: [-5, -7], max: [25, 7], change: [0.6, 0.6], rate: +rate, ttlMs: 300, payload: 2048,
  geofence: [[-5, -6], [-4, -7], [25, -7], [25, 7], [-5, 7]], observation: "pose", values: 2 };
const now = () => Math.floor(performance.now()); // [ms], never set back
let here = [+x, +y], there = here, since = 0;
// ==== YOURS, 1: read your sensors. Where the robot is [m]. (Here: a point that goes straight to where it was sent, within a period.)
const readSensors = () => here.map((a, i) => a + (there[i] - a) * Math.min(((now() - since) * can.rate) / 1000, 1));
// ==== YOURS, 2: drive your motors. Towards a position [m] that kept every rule; null: stop safely, now.
const driveMotors = (position) => { here = readSensors(); there = position ?? here; since = now(); };
// ==== The rest is the contract.
const right = ([x, y], [a, b], [c, d]) => b > y !== d > y && x < a + ((c - a) * (y - b)) / (d - b); // An edge lies to the right of a point.
const inside = (p, fence) => fence.filter((corner, i) => right(p, fence.at(i - 1), corner)).length % 2 === 1; // By the even-odd rule.
function parse(bytes, whole = (n) => Number.isSafeInteger(n) && n >= 0, text = (s) => typeof s === "string") {
  try {
    const c = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes)), { arm = false, action } = c;
    const good = [c.v, c.term, c.seq, c.ack, c.obsT, c.ttlMs].every(whole) && [c.run, c.robot, c.session].every(text);
    return good && typeof arm === "boolean" && Array.isArray(action) && action.every((n) => typeof n === "number") && c;
  } catch { return false; }
}
function* rules(payload, packet) { // The rules in their order, and whether a command keeps them. Asked up to the first that it breaks.
  yield ["retained", !packet.retain]; yield ["size", payload.length <= can.payload];
  yield ["encoding", (packet.properties?.contentType ?? "application/json") === "application/json"];
  const c = parse(payload), a = c.action; yield ["parse", c];
  yield ["version", c.v === 1]; yield ["run", c.run === run]; yield ["robot", c.robot === robot]; yield ["session", c.session === session];
  yield ["term", c.term >= s.term]; if (c.term > s.term) [s.term, s.seq] = [c.term, 0];
  yield ["seq", c.seq > s.seq]; s.seq = c.seq; const dead = c.obsT + Math.min(c.ttlMs, can.ttlMs), t = now();
  yield ["age", c.obsT <= t && t <= dead]; yield ["dimension", a.length === can.dimension]; yield ["finite", a.every(Number.isFinite)];
  yield ["range", a.every((n, i) => can.min[i] <= n && n <= can.max[i])];
  yield ["change", readSensors().every((p, i) => Math.abs(a[i] - p) <= can.change[i])];
  yield ["geofence", inside(a, can.geofence)]; yield ["disarmed", s.armed || c.arm];
  driveMotors(a); Object.assign(s, { armed: true, dead, acted: s.acted + 1, told: s.armed ? s.told : 0 });
}
const topic = `${env.MQTT_PREFIX ?? "mimicd/v1"}/${run}/${robot}/`, kept = { qos: 1, retain: true };
const text = (body) => JSON.stringify({ v: 1, run, robot, session, ...body }), file = (name) => name && readFileSync(name);
const say = (kind, body, ...how) => link.publish(topic + kind, text(body), ...how);
let drawn, session, s = { armed: false }; // Each connection has a session of its own, drawn before, for its will.
const will = () => ({ ...kept, topic: topic + "conn", payload: text({ session: drawn = randomBytes(8).toString("hex"), online: false }) });
const tls = { ca: file(env.MQTT_CA), cert: file(env.MQTT_CERT), key: file(env.MQTT_KEY) }, scheme = tls.ca ? "mqtts" : "mqtt";
const link = mqtt.connect(`${scheme}://${host}:${port}`, { ...tls, clientId: `${run}-${robot}`, protocolVersion: 5, keepalive: 5,
  reconnectPeriod: 500, resubscribe: false, queueQoSZero: false, will: will() });
link.on("error", () => {}).on("close", () => (link.options.will = will())).on("connect", () => {
  session = drawn; driveMotors(null); s = { armed: false, term: 0, seq: 0, obs: 0, acted: 0, stops: 0, told: 0, refused: {} };
  link.subscribe(topic + "cmd"); say("conn", { online: true, capabilities: can }, kept);
}).on("message", (_, payload, packet) => {
  watch(); for (const [rule, ok] of rules(payload, packet)) if (!ok) { s.refused[rule] = (s.refused[rule] ?? 0) + 1; s.told = 0; break; }
});
function watch() { if (s.armed && now() > s.dead) { driveMotors(null); Object.assign(s, { armed: false, stops: s.stops + 1, told: 0 }); } }
setInterval(() => {
  watch(); if (!session) return;
  say("obs", { seq: ++s.obs, t: now(), armed: s.armed, values: readSensors() }); if (now() < s.told + 1000) return;
  const { armed, term, acted, stops, refused } = s, sum = Object.values(refused).reduce((a, b) => a + b, 0); s.told = now();
  say("rep", { t: now(), armed, term, received: acted + sum, acted, stops, refused });
}, 1000 / can.rate);
process.on("SIGTERM", () => { driveMotors(null); say("conn", { online: false }, kept, () => link.end()); setTimeout(process.exit, 1000); });

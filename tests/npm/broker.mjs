// node broker.mjs: an MQTT 3.1.1 broker on a free port of loopback; prints the port, and ends with standard input.
import { createServer } from 'node:net';
import * as aedes from 'aedes';

const broker = aedes.Aedes.createBroker ? await aedes.Aedes.createBroker() : new aedes.Aedes();
const server = createServer(broker.handle);
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
process.stdin.resume().on('end', () => process.exit(0));

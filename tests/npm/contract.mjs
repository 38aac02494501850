// node contract.mjs FILE: reads an AsyncAPI document as others would; prints what it found, or what is wrong with it.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const { document, diagnostics } = await new Parser().parse(readFileSync(process.argv[2], 'utf8'));
// 0 is an error, 1 a warning; below are recommendations.
for (const d of diagnostics.filter(d => d.severity < 2)) {
  console.error(`${d.code}: ${d.message} at ${d.path.join('.')}`);
}
if (!document || diagnostics.some(d => d.severity < 2)) {
  process.exit(1);
}
for (const operation of document.operations().all()) {
  const [channel] = operation.channels().all();
  const [message] = operation.messages().all();
  const { qos, retain } = operation.bindings().get('mqtt').value();
  console.log(`${operation.action()} ${channel.address()} ${message.id()} qos ${qos} retain ${retain} required ${(message.payload().json().required ?? []).join(',')}`);
}

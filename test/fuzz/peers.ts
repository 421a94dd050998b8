/** `npm run fuzz:peers [-- seed [count]]`: damaged conversations, a million unless told otherwise. */
import { fuzzStreams } from './peers-streams.js';

const seed = Number(process.argv[2] ?? 1);
const count = Number(process.argv[3] ?? 1_000_000);
const SLICE = 50_000;
let protocolErrors = 0;
let updates = 0;
const startedMs = Date.now();
for (let done = 0; done < count; done += SLICE) {
	const result = fuzzStreams(seed + done, Math.min(SLICE, count - done));
	protocolErrors += result.protocolErrors;
	updates += result.updates;
	const megabytes = Math.round(process.memoryUsage.rss() / 2 ** 20);
	console.log(`${done + result.streams} streams, ${protocolErrors} refused, ${updates} updates read, ${megabytes} MB`);
}
console.log(`${count} streams from seed ${seed} in ${Math.round((Date.now() - startedMs) / 1000)} s, nothing broke`);

/**
 * Speed and memory of a stick table of type ip with http_req_rate(10s), as design.md section 4 promises:
 * random updates per second in one thread, resident bytes per entry beyond the empty table (at most 80),
 * and the longest pause while a million entries expire in slices (at most 20 ms).
 *
 *     npx tsx test/bench/stick-table.ts [entries]
 */
import type { StickTableModel } from '../../lib/config/model.js';
import { IpAddress } from '../../lib/core/address.js';
import { StickTable } from '../../lib/stick-table/table.js';

const ENTRIES = Number(process.argv[2] ?? 1_000_000);
const UPDATES = 3_000_000;

const model: StickTableModel = {
	place: { file: 'bench', line: 1 },
	name: 'bench',
	keyType: 'ip',
	keyLengthBytes: 4,
	size: 1_048_576,
	expireMs: 600_000,
	nopurge: false,
	recvOnly: false,
	writeTo: undefined,
	srvkey: 'name',
	store: [{ type: 'http_req_rate', periodMs: 10_000, count: undefined }],
	bratesFactor: 1,
	peers: undefined,
};

/** xorshift32: a source of keys that costs next to nothing. */
let state = 0x9e3779b9;
function random(): number {
	state ^= state << 13;
	state ^= state >>> 17;
	state ^= state << 5;
	return state >>> 0;
}

function residentBytes(): number {
	globalThis.gc?.();
	return process.memoryUsage.rss();
}

const table = new StickTable(model, StickTable.allocate(model));
const rate = table.slot('http_req_rate')!;
/** An address as a connection brings it: made a moment ago. */
const address = (index: number): IpAddress => IpAddress.fromV4(0x0a000000 + index);
const nowMs = 5_000_000;

// Warm the code on another table, so that compiled code is not counted as the table's memory.
const warm = new StickTable({ ...model, size: 1000 }, StickTable.allocate({ ...model, size: 1000 }));
for (let i = 0; i < 200_000; i++) warm.addByKey(address(i % 2000), rate, 0, 1, nowMs + i);

const before = residentBytes();
const fillStart = performance.now();
for (let i = 0; i < ENTRIES; i++) table.addByKey(address(i), rate, 0, 1, nowMs);
const fillMs = performance.now() - fillStart;
const perEntry = (residentBytes() - before) / ENTRIES;

function measure(label: string, count: number, step: (key: IpAddress, at: number) => void): void {
	const start = performance.now();
	for (let i = 0; i < count; i++) step(address(random() % ENTRIES), nowMs + (i >> 10));
	const ms = performance.now() - start;
	console.log(`${label.padEnd(44)} ${(count / ms / 1000).toFixed(2)} M/s`);
}

/** One dependent read of memory at random: on a busy machine this is what all figures below are made of. */
const yardstick = new Int32Array(new SharedArrayBuffer(StickTable.bytesNeeded(model))).fill(0);
const yardstickStart = performance.now();
let place = 0;
for (let i = 0; i < 1_000_000; i++) place = yardstick[(random() + place) % yardstick.length]!;
const readNs = performance.now() - yardstickStart;
console.log(`${'yardstick: one random read of memory'.padEnd(44)} ${readNs.toFixed(0)} ns`);
console.log(`${ENTRIES} entries, table of ${(StickTable.bytesNeeded(model) / 2 ** 20).toFixed(0)} MB address space`);
console.log(`${'create'.padEnd(44)} ${(ENTRIES / fillMs / 1000).toFixed(2)} M/s`);
measure('random update (find, add, refresh)', UPDATES, (key, at) => void table.addByKey(key, rate, 0, 1, at));
measure('random read', UPDATES, (key, at) => void table.readByKey(key, rate, 0, at));
const events = [rate];
measure('track, count, read, untrack', UPDATES / 3, (key, at) => {
	const entry = table.track(key, at);
	table.addAll(entry, events, 1, at);
	table.read(entry, rate, 0, at);
	table.untrack(entry, at);
});
table.updates.enable();
const reader = table.updates.openReader('local');
const view = table.newView();
measure('random update with peers listening', UPDATES / 3, (key, at) => void table.addByKey(key, rate, 0, 1, at));
const readStart = performance.now();
let read = 0;
while (reader.next(view, nowMs)) read++;
console.log(
	`${'updates read for a peer'.padEnd(44)} ${(read / (performance.now() - readStart) / 1000).toFixed(2)} M/s`,
);
console.log(`${'memory per entry (at most 80)'.padEnd(44)} ${perEntry.toFixed(1)} bytes`);

const laterMs = nowMs + 3_600_000;
let longestMs = 0;
let expired = 0;
const expireStart = performance.now();
for (let removed = 1; removed > 0; ) {
	const sliceStart = performance.now();
	removed = table.expire(laterMs);
	longestMs = Math.max(longestMs, performance.now() - sliceStart);
	expired += removed;
}
const expireMs = performance.now() - expireStart;
console.log(
	`${'expiry'.padEnd(44)} ${(expired / expireMs / 1000).toFixed(2)} M/s, longest slice ${longestMs.toFixed(2)} ms`,
);
const trouble = table.verify();
if (trouble !== undefined) throw new Error(trouble);

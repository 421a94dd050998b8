/**
 * Recorded conversations, damaged: each stream is mutated from a seed and given to a section as a greeted peer, in
 * pieces of any size. Nothing may throw out of the section, nothing may hang, and what is held stays bounded.
 */
import { MAX_MESSAGE_BYTES } from '../../lib/peers/protocol.js';
import type { MemoryTableOptions } from '../peers/memory-table.js';
import { RECORDED_NAMES, recordedBytes } from '../peers/recorded.js';
import { ScriptedCluster } from '../peers/scripted.js';
import { Chance } from '../simulation/virtual-time.js';

/** What callers sent, hello and all. */
const STREAMS = RECORDED_NAMES.flatMap((name) => [...recordedBytes(name).values()]).filter(
	(bytes) => bytes.length > 30 && bytes.subarray(0, 8).toString('latin1') === 'HAProxyS',
);
const HELLO = Buffer.from('HAProxyS 2.1\nA\nB 1 1\n');
/** Past the three lines. */
const BODIES = STREAMS.map((bytes) => {
	let at = 0;
	for (let line = 0; line < 3; line++) at = bytes.indexOf(10, at) + 1;
	return bytes.subarray(at);
}).filter((body) => body.length > 4);

/** Bytes that matter to the protocol: borders of varints, classes, types. */
const TELLING = [0, 1, 2, 3, 4, 5, 10, 72, 127, 128, 129, 130, 131, 132, 133, 134, 239, 240, 255];

/** Tables that the recorded definitions speak of, so that their updates are read to the end. */
const TABLES: readonly Omit<MemoryTableOptions, 'clock' | 'defer'>[] = [
	{
		name: 'p/t1',
		wireName: '/t1',
		keyType: 'ip',
		keyLengthBytes: 4,
		expireMs: 600_000,
		columns: [{ typeId: 2 }, { typeId: 10, periodMs: 10_000 }, { typeId: 19 }],
		size: 100,
	},
	{
		name: 't_ip',
		keyType: 'ip',
		keyLengthBytes: 4,
		expireMs: 600_000,
		columns: [{ typeId: 2 }, { typeId: 6 }, { typeId: 10, periodMs: 10_000 }],
		size: 100,
	},
	{
		name: 't_arr',
		keyType: 'ip',
		keyLengthBytes: 4,
		columns: [
			{ typeId: 22, count: 3 },
			{ typeId: 23, count: 5 },
			{ typeId: 24, count: 5, periodMs: 10_000 },
		],
		size: 100,
	},
	{
		name: 'bk',
		keyType: 'string',
		keyLengthBytes: 32,
		expireMs: 300_000,
		columns: [{ typeId: 0 }, { typeId: 2 }, { typeId: 13 }, { typeId: 19 }],
		size: 100,
	},
];

function mutate(chance: Chance): Buffer {
	let bytes: Buffer = Buffer.from(chance.pick(BODIES));
	if (chance.happens(0.3)) {
		const other = chance.pick(BODIES);
		bytes = Buffer.concat([bytes.subarray(0, chance.index(bytes.length)), other.subarray(chance.index(other.length))]);
	}
	if (bytes.length > 600) {
		const start = chance.index(bytes.length - 600);
		bytes = Buffer.concat([bytes.subarray(0, 60), bytes.subarray(start, start + 500)]);
	}
	for (let i = chance.index(6); i > 0 && bytes.length > 0; i--) {
		const at = chance.index(bytes.length);
		switch (chance.index(5)) {
			case 0:
				bytes[at] = chance.index(256);
				break;
			case 1:
				bytes[at] = chance.pick(TELLING);
				break;
			case 2:
				bytes[at]! ^= 1 << chance.index(8);
				break;
			case 3:
				bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + chance.index(4))]);
				break;
			default:
				bytes = Buffer.concat([
					bytes.subarray(0, at),
					Buffer.from(Array.from({ length: 1 + chance.index(6) }, () => chance.pick(TELLING))),
					bytes.subarray(at),
				]);
		}
	}
	return bytes;
}

export interface FuzzResult {
	readonly streams: number;
	readonly protocolErrors: number;
	readonly updates: number;
}

/** Feeds `count` streams from a seed to sections, a hundred to each. Throws with the seed of what broke. */
export function fuzzStreams(seed: number, count: number): FuzzResult {
	let protocolErrors = 0;
	let updates = 0;
	for (let first = 0; first < count; first += 100) {
		const cluster = new ScriptedCluster({ tableOptions: TABLES });
		const peer = cluster.peer();
		for (let i = first; i < Math.min(first + 100, count); i++) {
			const chance = new Chance(seed + i);
			const bytes = mutate(chance);
			const startedMs = performance.now();
			try {
				const connection = cluster.caller();
				connection.send(HELLO);
				for (let at = 0; at < bytes.length && connection.closedBy === undefined; ) {
					const size = chance.happens(0.5) ? bytes.length : 1 + chance.index(40);
					connection.send(bytes.subarray(at, at + size));
					at += size;
				}
				cluster.run(1);
				const output = connection.take();
				if (output.length > 40 * MAX_MESSAGE_BYTES)
					throw new Error(`${output.length} bytes in answer to ${bytes.length}`);
				connection.events?.closed('closed');
			} catch (error) {
				throw new Error(`seed ${seed + i}: ${bytes.toString('hex')}`, { cause: error });
			}
			if (performance.now() - startedMs > 1000) throw new Error(`seed ${seed + i} took over a second`);
			peer.rubbishInARow = 0;
		}
		const readers = cluster.tables.reduce((sum, table) => sum + table.readers.size, 0);
		if (readers !== 0) throw new Error(`${readers} places in tables were not given back after seed ${seed + first}`);
		protocolErrors += peer.protocolErrors;
		updates += peer.updatesReceived;
		cluster.section.close();
	}
	return { streams: count, protocolErrors, updates };
}

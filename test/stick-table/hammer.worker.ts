/** One of several threads that use the same table at once: see threads.test.ts. */
import { parentPort, threadId, workerData } from 'node:worker_threads';
import type { StickTableModel } from '../../lib/config/model.js';
import { acquireLock } from '../../lib/shared/spin-lock.js';
import { StickTable } from '../../lib/stick-table/table.js';

export interface HammerOrder {
	readonly task: 'count' | 'churn' | 'die holding a lock';
	readonly model: StickTableModel;
	readonly buffer: SharedArrayBuffer;
	readonly rounds: number;
	readonly keys: number;
	/** Word of the lock to die with. */
	readonly lockAt: number;
	/** All threads start together: a counter they raise and wait on. */
	readonly gate: SharedArrayBuffer;
	readonly threads: number;
}

const order = workerData as HammerOrder;
const table = new StickTable(order.model, order.buffer);
const NOW = 5_000_000;

const gate = new Int32Array(order.gate);
if (Atomics.add(gate, 0, 1) + 1 === order.threads) Atomics.notify(gate, 0);
for (let seen = Atomics.load(gate, 0); seen < order.threads; seen = Atomics.load(gate, 0))
	Atomics.wait(gate, 0, seen, 100);

let random = 0x9e3779b9 ^ Math.imul(threadId, 0x85ebca6b);
function below(limit: number): number {
	random ^= random << 13;
	random ^= random >>> 17;
	random ^= random << 5;
	return (random >>> 0) % limit;
}

function count(): void {
	const [gpc0, bytes, rate] = [table.slot('gpc0')!, table.slot('bytes_in_cnt')!, table.slot('http_req_rate')!];
	for (let round = 0; round < order.rounds; round++) {
		const key = round % order.keys;
		const entry = table.track(key, NOW);
		table.add(entry, gpc0, 0, 1, NOW);
		table.add(entry, bytes, 0, 4_000_000_000, NOW);
		table.addByKey(key, rate, 0, 1, NOW);
		table.untrack(entry, NOW);
	}
}

/** Everything at once in a table too small for its keys: counts cannot be told, the structure must hold. */
function churn(): void {
	const slot = table.slot('gpc0')!;
	const held = [];
	for (let round = 0; round < order.rounds; round++) {
		const key = below(order.keys);
		const now = NOW + round;
		switch (below(8)) {
			case 0:
				held.push(table.track(key, now));
				break;
			case 1:
				if (held.length > 20) {
					const entry = held.shift();
					if (entry !== undefined && entry !== 0) table.untrack(entry, now);
				}
				break;
			case 2:
				table.clearByKey(key, now);
				break;
			case 3:
				table.expire(now, 5);
				break;
			case 4:
				table.learn(key, [{ slot, values: [round] }], below(2000), now);
				break;
			case 5:
				table.storeServer(key, 1, `s${below(10)}`, now);
				break;
			default:
				table.addByKey(key, slot, 0, 1, now);
		}
	}
	for (const entry of held) if (entry !== 0) table.untrack(entry, NOW + order.rounds);
}

if (order.task === 'count') count();
else if (order.task === 'churn') churn();
else {
	acquireLock(new Int32Array(order.buffer), order.lockAt);
	parentPort?.postMessage(threadId);
}
